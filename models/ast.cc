#include "models/ast.h"

#include <ATen/ops/col2im.h>
#include <ATen/ops/ones_like.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/nn/modules/container/modulelist.h>

#include "base/error.h"
#include "models/foreign.h"
#include "models/position_embedding.h"
#include "models/vision_transformer.h"
#include "models/weights.h"

namespace tutti::models {
namespace {

// PyTorch's default. Hugging Face's models have one of their own for all.
double head_epsilon(const AstOptions& options) {
  return options.norm_epsilon > 0 ? options.norm_epsilon : 1e-5;
}

// The head reads the first so many tokens of the last block.
std::int64_t tokens_read(const AstOptions& options, const ClipShape& shape) {
  return options.head == "mean" ? token_count(options, shape) : leading_tokens(options);
}

ClipShape shape_of(const ModelOptions& options) { return {options.frames, options.mels, options.classes}; }

}  // namespace

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
  v_->initialise(seed, "v.");
  head_norm_->weight.fill_(1);
  head_norm_->bias.zero_();
  head_linear_->initialise(seed, "mlp_head.1.");
}

at::Tensor Ast::forward(const at::Tensor& input, const at::Tensor& key_B) {
  check_clips(input, shape_);
  const auto tokens = v_->with_positions(v_->patch_embed->proj->forward(input));
  auto x = v_->encode(tokens, key_B, tokens_read(options_, shape_));
  if (options_.head == "mean") x = x.slice(1, v_->leading);
  // The classifier costs nothing and decides ties between scores: float32 under autocast, too.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  return head_linear_->forward(head_norm_->forward(x.to(at::kFloat).mean(1)));
}

at::Tensor Ast::attention(const at::Tensor& input) {
  check_clips(input, shape_);
  const auto leading = v_->leading;
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
  v_->adapt_positions(weights, report);
}

Metadata Ast::metadata() const { return {{kPositionalGrid, to_text(v_->grid)}}; }

Flops ast_flops(const AstOptions& options, const ClipShape& shape) {
  const auto o = resolved(options, shape);
  const double classifier = 2.0 * static_cast<double>(o.dim) * static_cast<double>(shape.classes);
  return {.whole = classifier + transformer_flops(o, shape, token_count(o, shape)),
          .computed = classifier + transformer_flops(o, shape, tokens_read(o, shape))};
}

ModelSpec ast_spec() {
  return {.name = "ast",
          .summary = "Audio Spectrogram Transformer (Gong et al. 2021)",
          .input_kind = InputKind::spectrogram,
          .task = Task::classification,
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
