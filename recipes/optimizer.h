#pragma once
// Adam and AdamW over groups of parameters, by ATen's fused kernels.

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "base/fields.h"
#include "models/model.h"

namespace tutti::recipes {

struct OptimizerOptions {
  std::string name = "adamw";
  double lr = 1e-3;
  Numbers betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;
  double clip_norm = 0;
};
Fields fields(OptimizerOptions& options);

// One table of [[groups]]: what is different for the parameters whose name matches.
struct GroupOptions {
  Strings match;
  double lr_scale = 1;
  double weight_decay = -1;
  bool frozen = false;
};
Fields fields(GroupOptions& options);

// Scales the summed gradients of all parameters, one flat tensor, to their mean, and down to clip_norm (0:
// never). Returns the norm before clipping.
double average_and_clip(const at::Tensor& gradients, double weight, double clip_norm);

// The group of each parameter is the first whose patterns match; the rest forms the default group.
// Frozen parameters stop requiring gradients. Throws UsageError for a pattern that matches nothing.
class Optimizer {
 public:
  Optimizer(models::Model& model, const OptimizerOptions& options, const std::vector<GroupOptions>& groups);

  // What is trained, in the model's order: the gradients to synchronise.
  std::vector<at::Tensor> parameters() const;

  // One update from the parameters' gradients at learning rate `lr` (times each group's scale).
  //   Adam (Kingma and Ba 2015, algorithm 1), with weight decay added to the gradient;
  //   AdamW (Loshchilov and Hutter 2019, algorithm 2), with weight decay apart from it.
  void step(double lr);

  // The moments and step counts, by name: for checkpoints. `load_state` throws Error that names what is
  // missing, left over or of another shape.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state);

 private:
  struct Group {
    double lr_scale = 1;
    double weight_decay = 0;
    std::vector<std::string> names;
    std::vector<at::Tensor> parameters, exp_avg, exp_avg_sq, steps;
  };

  OptimizerOptions options_;
  std::vector<Group> groups_;
  std::vector<at::Tensor> trained_;
};

}  // namespace tutti::recipes
