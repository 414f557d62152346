#include "models/vision_transformer.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/stack.h>
#include <torch/nn/modules/container/modulelist.h>

#include <cmath>

#include "base/error.h"
#include "models/initialisation.h"
#include "models/position_embedding.h"
#include "models/weights.h"

namespace tutti::models {
namespace {

// timm's, for all of v. Hugging Face's models have one of their own.
double epsilon(const AstOptions& options) { return options.norm_epsilon > 0 ? options.norm_epsilon : 1e-6; }

// Drop path rises linearly from the first block to the last (Huang et al. 2016, equation 4).
BlockOptions block_options(const AstOptions& options, std::int64_t block) {
  return {.dim = options.dim,
          .heads = options.heads,
          .hidden = hidden_width(options),
          .epsilon = epsilon(options),
          .drop_path = options.depth == 1 ? options.drop_path
                                          : options.drop_path * static_cast<double>(block) /
                                                static_cast<double>(options.depth - 1),
          .dropout = options.dropout,
          .first_site = 1 + block * sites_per_block};
}

// A model with CLS alone takes that of two: DeiT's distilled models have a second token, their ViTs have not.
void fit_leading_tokens(Weights& weights, std::int64_t leading, at::Tensor& positions,
                        std::vector<std::string>& report) {
  const bool has_two = weights.tensors.contains("v.dist_token");
  if (has_two == (leading == 2) || positions.dim() != 3 || positions.size(1) < 2) return;
  if (!has_two) {
    throw Error(text("'", weights.source, "' has one token before the patches, and the model two"), "",
                "Set model.head = \"cls\".");
  }
  weights.tensors.erase("v.dist_token");
  positions = at::cat({positions.narrow(1, 0, 1), positions.narrow(1, 2, positions.size(1) - 2)}, 1);
  report.emplace_back("left out v.dist_token and its position: the model's head is \"cls\"");
}

}  // namespace

PatchProjection::PatchProjection(const AstOptions& options)
    : weight(register_parameter("weight", at::empty({options.dim, 1, options.patch[0], options.patch[1]}))),
      bias(register_parameter("bias", at::empty({options.dim}))),
      stride(options.stride) {}

at::Tensor PatchProjection::forward(const at::Tensor& x_BTM) const {
  const auto mels = weight.size(2), frames = weight.size(3);
  // [B, rows, columns, frames, mels], a view; the mels of a frame lie together, so gathering copies runs.
  const auto patches = x_BTM.unfold(1, frames, stride[1]).unfold(2, mels, stride[0]).permute({0, 2, 1, 3, 4});
  const auto flat_BPF = patches.reshape({x_BTM.size(0), patches.size(1) * patches.size(2), frames * mels});
  return at::linear(flat_BPF, weight.transpose(2, 3).reshape({weight.size(0), frames * mels}), bias);
}

at::Tensor PatchProjection::patches(const at::Tensor& x_BTM) const {
  const auto mels = weight.size(2), frames = weight.size(3);
  const auto patches = x_BTM.unfold(1, frames, stride[1]).unfold(2, mels, stride[0]).permute({0, 2, 1, 4, 3});
  return patches.reshape({x_BTM.size(0), patches.size(1) * patches.size(2), mels * frames});
}

PatchEmbedding::PatchEmbedding(const AstOptions& options)
    : proj(register_module("proj", std::make_shared<PatchProjection>(options))) {}

VisionTransformer::VisionTransformer(const AstOptions& given, const ClipShape& shape)
    : options(given), grid(patch_grid(given, shape)), leading(leading_tokens(given)) {
  cls_token = register_parameter("cls_token", at::empty({1, 1, options.dim}));
  if (leading == 2) dist_token = register_parameter("dist_token", at::empty({1, 1, options.dim}));
  pos_embed = register_parameter("pos_embed", at::empty({1, leading + grid.patches(), options.dim}));
  patch_embed = register_module("patch_embed", std::make_shared<PatchEmbedding>(options));
  const auto list = register_module("blocks", std::make_shared<torch::nn::ModuleListImpl>());
  for (std::int64_t i = 0; i < options.depth; ++i) {
    blocks.push_back(std::make_shared<TransformerBlock>(block_options(options, i)));
    list->push_back(blocks.back());
  }
  norm = register_module("norm", std::make_shared<LayerNorm>(options.dim, epsilon(options)));
}

void VisionTransformer::initialise(std::uint64_t seed, const std::string& prefix) {
  const at::NoGradGuard no_grad;
  for (auto& item : named_parameters()) {
    const auto& name = item.key();
    auto& parameter = item.value();
    const auto key = parameter_key(seed, prefix + name);
    if (name.starts_with("patch_embed.proj.")) {  // PyTorch's Conv2d: +-1 / sqrt(inputs)
      fill_uniform(parameter, 1.0 / std::sqrt(options.patch[0] * options.patch[1]), key);
    } else if (parameter.dim() > 1) {
      fill_normal(parameter, 0.02, key);
    } else {
      parameter.fill_(name.ends_with(".weight") ? 1.0 : 0.0);  // a LayerNorm's weight; a bias
    }
  }
}

at::Tensor VisionTransformer::with_positions(const at::Tensor& patches_BPD) const {
  const auto batch = patches_BPD.size(0);
  std::vector<at::Tensor> parts = {cls_token.expand({batch, -1, -1})};
  if (dist_token.defined()) parts.push_back(dist_token.expand({batch, -1, -1}));
  parts.push_back(patches_BPD);
  return at::cat(parts, 1) + pos_embed;
}

at::Tensor VisionTransformer::encode(const at::Tensor& tokens_BND, const at::Tensor& key_B,
                                     std::int64_t rows) const {
  auto x = dropout(tokens_BND, key_B, /*site=*/0, options.dropout);
  for (const auto& block : blocks) x = block->forward(x, key_B, block == blocks.back() ? rows : x.size(1));
  return norm->forward(x);
}

at::Tensor VisionTransformer::attention(const at::Tensor& x_BTM) const {
  std::vector<at::Tensor> weights;
  auto x = with_positions(patch_embed->proj->forward(x_BTM));
  for (const auto& block : blocks) {
    weights.push_back(block->attn->weights(block->norm1->forward(x)));
    x = block->forward(x, {}, x.size(1));
  }
  return at::stack(weights, 1);
}

void VisionTransformer::adapt_positions(Weights& weights, std::vector<std::string>& report) const {
  const auto found = weights.tensors.find("v.pos_embed");
  if (found == weights.tensors.end()) return;
  fit_leading_tokens(weights, leading, found->second, report);
  const auto& given = found->second;
  // Whatever is not a positional embedding of this width is reported with the other misfits.
  if (given.dim() != 3 || given.size(0) != 1 || given.size(2) != options.dim || given.size(1) <= leading ||
      !given.is_floating_point()) {
    return;
  }
  const auto patches = given.size(1) - leading;
  const auto stated = weights.metadata.find(kPositionalGrid);
  auto from = grid;
  if (stated != weights.metadata.end()) {
    from = grid_from_text(stated->second, weights.source);
  } else if (patches != grid.patches()) {
    from = guessed_grid(patches, options, grid, weights.source);
  }
  if (from == grid) return;
  if (from.patches() != patches) {
    throw Error(text("v.pos_embed of '", weights.source, "' has ", patches, " patches"),
                text("its metadata say ", kPositionalGrid, " = ", to_text(from)));
  }
  found->second = adapted_positions(given.to(at::kFloat), leading, from, grid, options.positions);
  report.push_back(text("v.pos_embed adapted from a grid of ", to_text(from), " patches (mels x frames) to ",
                        to_text(grid), options.positions == "nearest" ? ", to the nearest" : ""));
}

void check_clips(const at::Tensor& input, const ClipShape& shape) {
  if (input.dim() != 3 || input.size(1) != shape.frames || input.size(2) != shape.mels) {
    throw Error(text("the input of the model has shape ", input.sizes()),
                text("this model takes [batch, ", shape.frames, " frames, ", shape.mels, " mels]"));
  }
}

double transformer_flops(const AstOptions& o, const ClipShape& shape, std::int64_t rows_read) {
  const auto dim = static_cast<double>(o.dim);
  const auto tokens = static_cast<double>(token_count(o, shape));
  const double mlp = 2.0 * static_cast<double>(hidden_width(o)) * dim;

  // One block whose output is wanted for `rows` tokens.
  const auto block = [&](double rows) {
    const double keys_and_values = 2.0 * tokens * 2.0 * dim * dim;
    const double queries_and_projection = 2.0 * rows * 2.0 * dim * dim;
    const double attention = 4.0 * rows * tokens * dim;
    return keys_and_values + queries_and_projection + attention + 2.0 * rows * mlp;
  };
  const double patches = 2.0 * static_cast<double>(patch_grid(o, shape).patches()) *
                         static_cast<double>(o.patch[0] * o.patch[1]) * dim;
  return patches + static_cast<double>(o.depth - 1) * block(tokens) + block(static_cast<double>(rows_read));
}

}  // namespace tutti::models
