#include "recipes/loss.h"

#include <torch/torch.h>

namespace tutti::recipes {

Fields fields(LossOptions& options) {
  return {
      {.name = "name",
       .target = &options.name,
       .meaning = "ce (one class a clip), bce (any number of classes a clip) or pretext (the model's own, in "
                  "pre-training)",
       .choices = {"ce", "bce", "pretext"}},
      {.name = "label_smoothing",
       .target = &options.label_smoothing,
       .meaning = "share of the target spread over all classes",
       .least = 0,
       .most = 0.999},
  };
}

Loss evaluate_loss(const LossOptions& options, const at::Tensor& logits_BC, const at::Tensor& target_BC,
                   const at::Tensor& weight_B1) {
  const auto logits = logits_BC.to(torch::kFloat32);
  if (options.name == "pretext") return {(logits.narrow(1, 0, 1) * weight_B1).sum(), weight_B1.sum()};
  const double smoothing = options.label_smoothing;
  if (options.name == "bce") {
    const auto target = target_BC * (1 - smoothing) + smoothing / 2;
    const auto weight = weight_B1.expand_as(target);
    const auto each = torch::binary_cross_entropy_with_logits(logits, target, {}, {}, at::Reduction::None);
    return {(each * weight).sum(), weight.sum()};
  }
  const auto classes = static_cast<double>(target_BC.size(1));
  const auto share = target_BC / target_BC.sum(1, true).clamp_min(1e-12);
  const auto target = share * (1 - smoothing) + smoothing / classes;
  const auto each_B1 = -(target * torch::log_softmax(logits, 1)).sum(1, true);
  return {(each_B1 * weight_B1).sum(), weight_B1.sum()};
}

at::Tensor class_scores(const LossOptions& options, const at::Tensor& logits_BC) {
  const auto logits = logits_BC.to(torch::kFloat32);
  return options.name == "bce" ? torch::sigmoid(logits) : torch::softmax(logits, 1);
}

}  // namespace tutti::recipes
