#pragma once
// Losses as sums and weights, so that masks, accumulation, uneven last batches and the number of ranks all
// give the same step: the gradient is the global sum divided by the global weight.

#include <ATen/core/Tensor.h>

#include <string>

#include "base/fields.h"

namespace tutti::recipes {

struct LossOptions {
  std::string name = "ce";
  double label_smoothing = 0;
};
Fields fields(LossOptions& options);

struct Loss {
  at::Tensor sum;     // scalar float32, differentiable
  at::Tensor weight;  // scalar float32
};

// `logits_BC` of any floating type, `target_BC` float32 (multi-hot, or mixed by mixup), `weight_B1` float32,
// 0 for a row or label that does not count.
//   bce: sum over rows and classes of weight * binary cross-entropy; a target t becomes t (1 - s) + s / 2.
//     weight: the weights summed over rows and classes, so that the quotient is PyTorch's mean.
//   ce: sum over rows of weight * -sum_c t_c log softmax(logits)_c, with t normalised to sum 1 over the
//     classes and smoothed to t (1 - s) + s / C (Szegedy et al. 2016, section 7). weight: summed over rows.
//   pretext: sum over rows of weight * the first output, which is the model's own loss of a clip
//     (models::Task::pretraining); the target is not read. weight: summed over rows.
Loss evaluate_loss(const LossOptions& options, const at::Tensor& logits_BC, const at::Tensor& target_BC,
                   const at::Tensor& weight_B1);

// What is averaged over windows and models: sigmoid for bce, softmax for ce. Float32 [B, classes].
at::Tensor class_scores(const LossOptions& options, const at::Tensor& logits_BC);

}  // namespace tutti::recipes
