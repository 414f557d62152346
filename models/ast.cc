#include "models/ast.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/col2im.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/nn/modules/container/modulelist.h>

#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "models/foreign.h"
#include "models/initialisation.h"
#include "models/position_embedding.h"
#include "models/weights.h"

namespace tutti::models {
namespace {

// timm's, for all of v; and PyTorch's default, for mlp_head.0. Hugging Face's models have one of their own.
double body_epsilon(const AstOptions& options) {
  return options.norm_epsilon > 0 ? options.norm_epsilon : 1e-6;
}
double head_epsilon(const AstOptions& options) {
  return options.norm_epsilon > 0 ? options.norm_epsilon : 1e-5;
}

std::int64_t hidden_width(const AstOptions& options) {
  return static_cast<std::int64_t>(static_cast<double>(options.dim) * options.mlp_ratio);
}

std::int64_t token_count(const AstOptions& options, const ClipShape& shape) {
  return leading_tokens(options) + patch_grid(options, shape).patches();
}

// The head reads the first so many tokens of the last block.
std::int64_t tokens_read(const AstOptions& options, const ClipShape& shape) {
  return options.head == "mean" ? token_count(options, shape) : leading_tokens(options);
}

// Drop path rises linearly from the first block to the last (Huang et al. 2016, equation 4).
BlockOptions block_options(const AstOptions& options, std::int64_t block) {
  return {.dim = options.dim,
          .heads = options.heads,
          .hidden = hidden_width(options),
          .epsilon = body_epsilon(options),
          .drop_path = options.depth == 1 ? options.drop_path
                                          : options.drop_path * static_cast<double>(block) /
                                                static_cast<double>(options.depth - 1),
          .dropout = options.dropout,
          .first_site = 1 + block * sites_per_block};
}

// The authors' convolution over the spectrogram, one output a patch, computed as a matrix product over
// gathered patches: with one input channel that is 2.5 times as fast as oneDNN's convolution on a CPU.
struct Projection : torch::nn::Module {
  explicit Projection(const AstOptions& options)
      : weight(register_parameter("weight", at::empty({options.dim, 1, options.patch[0], options.patch[1]}))),
        bias(register_parameter("bias", at::empty({options.dim}))),
        stride(options.stride) {}

  // [B, frames, mels] -> [B, patches, dim]; patches are numbered mel row by mel row, time fastest.
  at::Tensor forward(const at::Tensor& x_BTM) const {
    const auto mels = weight.size(2), frames = weight.size(3);
    // [B, rows, columns, frames, mels], a view; the mels of a frame lie together, so gathering copies runs.
    const auto patches =
        x_BTM.unfold(1, frames, stride[1]).unfold(2, mels, stride[0]).permute({0, 2, 1, 3, 4});
    const auto flat_BPF = patches.reshape({x_BTM.size(0), patches.size(1) * patches.size(2), frames * mels});
    return at::linear(flat_BPF, weight.transpose(2, 3).reshape({weight.size(0), frames * mels}), bias);
  }

  at::Tensor weight, bias;
  Integers stride;
};

ClipShape shape_of(const ModelOptions& options) { return {options.frames, options.mels, options.classes}; }

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

struct Ast::PatchEmbedding : torch::nn::Module {
  explicit PatchEmbedding(const AstOptions& options)
      : proj(register_module("proj", std::make_shared<Projection>(options))) {}

  std::shared_ptr<Projection> proj;
};

struct Ast::VisionTransformer : torch::nn::Module {
  VisionTransformer(const AstOptions& options, const ClipShape& shape)
      : dropout_rate(options.dropout), rows_read(tokens_read(options, shape)) {
    cls_token = register_parameter("cls_token", at::empty({1, 1, options.dim}));
    if (leading_tokens(options) == 2) {
      dist_token = register_parameter("dist_token", at::empty({1, 1, options.dim}));
    }
    pos_embed = register_parameter("pos_embed", at::empty({1, token_count(options, shape), options.dim}));
    patch_embed = register_module("patch_embed", std::make_shared<PatchEmbedding>(options));
    const auto list = register_module("blocks", std::make_shared<torch::nn::ModuleListImpl>());
    for (std::int64_t i = 0; i < options.depth; ++i) {
      blocks.push_back(std::make_shared<TransformerBlock>(block_options(options, i)));
      list->push_back(blocks.back());
    }
    norm = register_module("norm", std::make_shared<LayerNorm>(options.dim, body_epsilon(options)));
  }

  // [B, frames, mels] -> [B, rows_read, dim].
  at::Tensor forward(const at::Tensor& x_BTM, const at::Tensor& key_B) const {
    auto x = dropout(embed(x_BTM), key_B, /*site=*/0, dropout_rate);
    for (const auto& block : blocks) {
      x = block->forward(x, key_B, block == blocks.back() ? rows_read : x.size(1));
    }
    return norm->forward(x);
  }

  // Leading tokens and patches with their positions: [B, tokens, dim].
  at::Tensor embed(const at::Tensor& x_BTM) const {
    const auto batch = x_BTM.size(0);
    std::vector<at::Tensor> parts = {cls_token.expand({batch, -1, -1})};
    if (dist_token.defined()) parts.push_back(dist_token.expand({batch, -1, -1}));
    parts.push_back(patch_embed->proj->forward(x_BTM));
    return at::cat(parts, 1) + pos_embed;
  }

  // Each block's attention weights: [B, blocks, tokens, tokens].
  at::Tensor attention(const at::Tensor& x_BTM) const {
    std::vector<at::Tensor> weights;
    auto x = embed(x_BTM);
    for (const auto& block : blocks) {
      weights.push_back(block->attn->weights(block->norm1->forward(x)));
      x = block->forward(x, {}, x.size(1));
    }
    return at::stack(weights, 1);
  }

  double dropout_rate;
  std::int64_t rows_read;
  at::Tensor cls_token, dist_token, pos_embed;
  std::shared_ptr<PatchEmbedding> patch_embed;
  std::vector<std::shared_ptr<TransformerBlock>> blocks;
  std::shared_ptr<LayerNorm> norm;
};

Ast::Ast(const AstOptions& options, const ClipShape& shape, std::uint64_t seed)
    : options_(resolved(options, shape)), shape_(shape) {
  v_ = register_module("v", std::make_shared<VisionTransformer>(options_, shape_));
  const auto head = register_module("mlp_head", std::make_shared<torch::nn::ModuleListImpl>());
  head_norm_ = std::make_shared<LayerNorm>(options_.dim, head_epsilon(options_));
  head_linear_ = std::make_shared<Linear>(options_.dim, shape_.classes);
  head->push_back(head_norm_);
  head->push_back(head_linear_);
  initialise(seed);
}

void Ast::initialise(std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (auto& item : named_parameters()) {
    const auto& name = item.key();
    auto& parameter = item.value();
    const auto key = parameter_key(seed, name);
    // PyTorch's Conv2d and Linear draw weight and bias from +-1 / sqrt(inputs).
    if (name.starts_with("v.patch_embed.proj.")) {
      fill_uniform(parameter, 1.0 / std::sqrt(options_.patch[0] * options_.patch[1]), key);
    } else if (name.starts_with("mlp_head.1.")) {
      fill_uniform(parameter, 1.0 / std::sqrt(options_.dim), key);
    } else if (parameter.dim() > 1) {
      fill_normal(parameter, 0.02, key);
    } else {
      parameter.fill_(name.ends_with(".weight") ? 1.0 : 0.0);  // a LayerNorm's weight; a bias
    }
  }
}

void Ast::check_input(const at::Tensor& input) const {
  if (input.dim() != 3 || input.size(1) != shape_.frames || input.size(2) != shape_.mels) {
    throw Error(text("the input of the model has shape ", input.sizes()),
                text("this model takes [batch, ", shape_.frames, " frames, ", shape_.mels, " mels]"));
  }
}

at::Tensor Ast::forward(const at::Tensor& input, const at::Tensor& key_B) {
  check_input(input);
  auto x = v_->forward(input, key_B);
  if (options_.head == "mean") x = x.slice(1, leading_tokens(options_));
  // The classifier costs nothing and decides ties between scores: float32 under autocast, too.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  return head_linear_->forward(head_norm_->forward(x.to(at::kFloat).mean(1)));
}

at::Tensor Ast::attention(const at::Tensor& input) {
  check_input(input);
  const auto leading = leading_tokens(options_);
  const auto all = v_->attention(input);
  const auto read = options_.head == "mean" ? all.slice(2, leading) : all.slice(2, 0, leading);
  const auto patches_BLP = read.mean(2).slice(2, leading);

  // A place of the input gets the mean over the patches that cover it.
  const auto batch = patches_BLP.size(0), layers = patches_BLP.size(1);
  const auto flat = patches_BLP.flatten(0, 1).unsqueeze(1);
  const auto spread = [&](const at::Tensor& x) {
    return at::col2im(x.expand({-1, options_.patch[0] * options_.patch[1], -1}).contiguous(),
                      {shape_.mels, shape_.frames}, options_.patch, {1, 1}, {0, 0}, options_.stride);
  };
  const auto mean = spread(flat) / spread(at::ones_like(flat)).clamp_min(1);
  return mean.view({batch, layers, shape_.mels, shape_.frames}).transpose(2, 3);
}

void Ast::take_names(Weights& weights, std::vector<std::string>& report) const {
  take_authors_names(weights, report);
  for (const char* dead : {"v.head.weight", "v.head.bias", "v.head_dist.weight", "v.head_dist.bias"}) {
    if (weights.tensors.erase(dead) > 0) report.push_back(text("left out ", dead, ": AST does not use it"));
  }
}

void Ast::adapt(Weights& weights, std::vector<std::string>& report) const {
  const auto found = weights.tensors.find("v.pos_embed");
  const auto leading = leading_tokens(options_);
  if (found == weights.tensors.end()) return;
  fit_leading_tokens(weights, leading, found->second, report);
  const auto& given = found->second;
  // Whatever is not a positional embedding of this width is reported with the other misfits.
  if (given.dim() != 3 || given.size(0) != 1 || given.size(2) != options_.dim || given.size(1) <= leading ||
      !given.is_floating_point()) {
    return;
  }
  const auto patches = given.size(1) - leading;
  const auto to = patch_grid(options_, shape_);
  const auto stated = weights.metadata.find(kPositionalGrid);
  auto from = to;
  if (stated != weights.metadata.end()) {
    from = grid_from_text(stated->second, weights.source);
  } else if (patches != to.patches()) {
    from = guessed_grid(patches, options_, to, weights.source);
  }
  if (from == to) return;
  if (from.patches() != patches) {
    throw Error(text("v.pos_embed of '", weights.source, "' has ", patches, " patches"),
                text("its metadata say ", kPositionalGrid, " = ", to_text(from)));
  }
  found->second = adapted_positions(given.to(at::kFloat), leading, from, to);
  report.push_back(text("v.pos_embed adapted from a grid of ", to_text(from), " patches (mels x frames) to ",
                        to_text(to)));
}

Metadata Ast::metadata() const { return {{kPositionalGrid, to_text(patch_grid(options_, shape_))}}; }

Flops ast_flops(const AstOptions& options, const ClipShape& shape) {
  const auto o = resolved(options, shape);
  const double dim = static_cast<double>(o.dim);
  const double tokens = static_cast<double>(token_count(o, shape));
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
  const double classifier = 2.0 * dim * static_cast<double>(shape.classes);
  const double rest = patches + classifier + static_cast<double>(o.depth - 1) * block(tokens);
  return {.whole = rest + block(tokens),
          .computed = rest + block(static_cast<double>(tokens_read(o, shape)))};
}

ModelSpec ast_spec() {
  return {.name = "ast",
          .summary = "Audio Spectrogram Transformer (Gong et al. 2021)",
          .input_kind = InputKind::spectrogram,
          .fields = [](ModelOptions& options) { return fields(options.ast); },
          .build = [](const ModelOptions& options, std::uint64_t seed) -> std::shared_ptr<Model> {
            return std::make_shared<Ast>(options.ast, shape_of(options), seed);
          },
          .flops = [](const ModelOptions& options) { return ast_flops(options.ast, shape_of(options)); },
          .heads =
              [](const ModelOptions& options) {
                return std::vector<Head>{{"classes", 0, options.classes}};
              }};
}

}  // namespace tutti::models
