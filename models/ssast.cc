#include "models/ssast.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/nn/modules/container/modulelist.h>

#include <algorithm>
#include <cmath>

#include "models/initialisation.h"
#include "models/patch_masks.h"
#include "models/position_embedding.h"
#include "models/weights.h"

namespace tutti::models {
namespace {

// Streams of a clip's key. The numbers are part of what makes runs repeatable.
enum Stream : std::uint64_t { kDiscriminative = 0x6d61736b31, kGenerative = 0x6d61736b32 };

// Rows of x_BND by index_BK: [B, K, D].
at::Tensor take_rows(const at::Tensor& x_BND, const at::Tensor& index_BK) {
  return x_BND.gather(1, index_BK.unsqueeze(2).expand({-1, -1, x_BND.size(2)}));
}

ClipShape shape_of(const ModelOptions& options) { return {options.frames, options.mels, options.classes}; }

// Two passes, and for each masked patch a prediction; the products of patches and predictions.
Flops ssast_flops(const ModelOptions& options) {
  const auto shape = shape_of(options);
  const auto o = resolved(options.ssast, options.ast, shape);
  const auto dim = static_cast<double>(o.dim), masks = static_cast<double>(options.ssast.masks);
  const auto patch = static_cast<double>(o.patch[0] * o.patch[1]);
  const double predictions = 2.0 * masks * 2.0 * (dim * dim + dim * patch) + 2.0 * masks * masks * patch;
  const double all = 2.0 * transformer_flops(o, shape, token_count(o, shape)) + predictions;
  return {.whole = all, .computed = all};
}

}  // namespace

// Token -> patch: linear, ReLU, linear, numbered as in a torch.nn.Sequential.
struct Ssast::Predictor : torch::nn::ModuleListImpl {
  Predictor(std::int64_t dim, std::int64_t patch)
      : first(std::make_shared<Linear>(dim, dim)), last(std::make_shared<Linear>(dim, patch)) {
    register_module("0", first);
    register_module("2", last);
  }
  at::Tensor predict(const at::Tensor& x) const { return last->forward(at::relu(first->forward(x))); }

  std::shared_ptr<Linear> first, last;
};

Ssast::Ssast(const SsastOptions& options, const AstOptions& transformer, const ClipShape& shape,
             std::uint64_t seed)
    : options_(options), shape_(shape) {
  const auto o = resolved(options, transformer, shape);
  const auto patch = o.patch[0] * o.patch[1];
  v_ = register_module("v", std::make_shared<VisionTransformer>(o, shape));
  mask_embed_ = register_parameter("mask_embed", at::empty({1, 1, o.dim}));
  discriminative_ = register_module("cpredlayer", std::make_shared<Predictor>(o.dim, patch));
  generative_ = register_module("gpredlayer", std::make_shared<Predictor>(o.dim, patch));

  const at::NoGradGuard no_grad;
  v_->initialise(seed, "v.");
  // xavier_normal_ of [1, 1, D]: both fans are D (Glorot and Bengio 2010).
  fill_normal(mask_embed_, 1.0 / std::sqrt(o.dim), parameter_key(seed, "mask_embed"));
  discriminative_->first->initialise(seed, "cpredlayer.0.");
  discriminative_->last->initialise(seed, "cpredlayer.2.");
  generative_->first->initialise(seed, "gpredlayer.0.");
  generative_->last->initialise(seed, "gpredlayer.2.");
}

// Patches by number, [B, masks] int64 on the CPU.
at::Tensor Ssast::masks(const at::Tensor& key_B, std::int64_t batch, std::uint64_t stream) const {
  const auto keys = key_B.defined() ? key_B.cpu() : at::zeros({batch}, at::kLong);
  auto index_BK = at::empty({batch, options_.masks}, at::kLong);
  for (std::int64_t clip = 0; clip < batch; ++clip) {
    const CounterRng rng(static_cast<std::uint64_t>(keys.const_data_ptr<std::int64_t>()[clip]), stream);
    const auto drawn = v_->grid.mels > 1 ? clustered_mask(v_->grid, options_.masks, rng)
                                         : scattered_mask(v_->grid.patches(), options_.masks, rng);
    std::ranges::copy(drawn, index_BK.mutable_data_ptr<std::int64_t>() + clip * options_.masks);
  }
  return index_BK;
}

at::Tensor Ssast::forward(const at::Tensor& input, const at::Tensor& key_B) {
  check_clips(input, shape_);
  const auto batch = input.size(0);
  const auto projection = v_->patch_embed->proj;

  // Both objectives' masked clips in one pass, one after the other.
  const auto index_BK =
      at::cat({masks(key_B, batch, kDiscriminative), masks(key_B, batch, kGenerative)}).to(input.device());
  const auto embedded_BPD = projection->forward(input).repeat({2, 1, 1});
  const auto masked = at::zeros({2 * batch, v_->grid.patches(), 1}, input.options().dtype(at::kBool))
                          .scatter_(1, index_BK.unsqueeze(2), true);
  const auto visible_BPD = at::where(masked, mask_embed_.to(embedded_BPD.scalar_type()), embedded_BPD);
  const auto tokens = v_->with_positions(visible_BPD);
  const auto keys = key_B.defined() ? at::cat({key_B, key_B.bitwise_not()}) : key_B;
  const auto encoded = take_rows(v_->encode(tokens, keys, tokens.size(1)), index_BK + v_->leading);

  // Losses of hundreds of terms: float32 under autocast, too.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const auto halves = encoded.to(at::kFloat).chunk(2);
  const auto patches_BKE = take_rows(projection->patches(input).to(at::kFloat).repeat({2, 1, 1}), index_BK);
  const auto told_apart = patches_BKE.narrow(0, 0, batch), drawn_again = patches_BKE.narrow(0, batch, batch);

  const auto similarity_BKK =
      at::log_softmax(told_apart.matmul(discriminative_->predict(halves[0]).transpose(1, 2)), -1);
  const auto discriminative_B = -similarity_BKK.diagonal(0, 1, 2).mean(1);
  const auto hit_BK = similarity_BKK.argmax(1) == at::arange(options_.masks, index_BK.options());
  const auto generative_B = (generative_->predict(halves[1]) - drawn_again).square().mean({1, 2});
  return at::stack({discriminative_B + options_.generative_weight * generative_B, discriminative_B,
                    generative_B, hit_BK.to(at::kFloat).mean(1)},
                   1);
}

void Ssast::adapt(Weights& weights, std::vector<std::string>& report) const {
  v_->adapt_positions(weights, report);
}

Metadata Ssast::metadata() const { return {{kPositionalGrid, to_text(v_->grid)}}; }

ModelSpec ssast_spec() {
  return {.name = "ssast",
          .summary = "self-supervised pre-training of AST by masked patches (Gong et al. 2022)",
          .input_kind = InputKind::spectrogram,
          .task = Task::pretraining,
          .fields = [](ModelOptions& options) { return fields(options.ssast, options.ast); },
          .build = [](const ModelOptions& options, std::uint64_t seed) -> std::shared_ptr<Model> {
            return std::make_shared<Ssast>(options.ssast, options.ast, shape_of(options), seed);
          },
          .flops = ssast_flops,
          .heads =
              [](const ModelOptions&) {
                return std::vector<Head>{
                    {"loss", 0, 1}, {"discriminative", 1, 2}, {"generative", 2, 3}, {"accuracy", 3, 4}};
              }};
}

}  // namespace tutti::models
