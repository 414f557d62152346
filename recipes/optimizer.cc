#include "recipes/optimizer.h"

#include <torch/torch.h>

#include <algorithm>

#include "base/error.h"
#include "base/pattern.h"

namespace tutti::recipes {

Fields fields(OptimizerOptions& options) {
  return {
      {.name = "name",
       .target = &options.name,
       .meaning = "adamw (decoupled weight decay) or adam (coupled, as AST)",
       .choices = {"adamw", "adam"}},
      {.name = "lr", .target = &options.lr, .meaning = "peak learning rate", .least = 0},
      {.name = "betas",
       .target = &options.betas,
       .meaning = "decay of the first and second moment",
       .least = 0,
       .most = 1},
      {.name = "eps",
       .target = &options.eps,
       .meaning = "added to the root of the second moment",
       .least = 0},
      {.name = "weight_decay", .target = &options.weight_decay, .meaning = "weight decay", .least = 0},
      {.name = "clip_norm",
       .target = &options.clip_norm,
       .meaning = "gradients are scaled down to this L2 norm over all parameters; 0: never",
       .least = 0},
  };
}

Fields fields(GroupOptions& options) {
  return {
      {.name = "match",
       .target = &options.match,
       .meaning = "parameter names, with * and ?; the first group that matches counts"},
      {.name = "lr_scale", .target = &options.lr_scale, .meaning = "times optimizer.lr", .least = 0},
      {.name = "weight_decay",
       .target = &options.weight_decay,
       .meaning = "weight decay; -1: as in [optimizer]",
       .least = -1},
      {.name = "frozen",
       .target = &options.frozen,
       .meaning = "not trained: no gradient, no optimizer state"},
  };
}

double average_and_clip(const at::Tensor& gradients, double weight, double clip_norm) {
  gradients.div_(weight);
  const double norm = gradients.norm().item<double>();
  if (clip_norm > 0 && norm > clip_norm) gradients.mul_(clip_norm / (norm + 1e-6));
  return norm;
}

Optimizer::Optimizer(models::Model& model, const OptimizerOptions& options,
                     const std::vector<GroupOptions>& groups)
    : options_(options) {
  if (options.betas.size() != 2) {
    throw UsageError(text("optimizer.betas has ", options.betas.size(), " values"),
                     "it takes two: [0.9, 0.999]");
  }
  groups_.resize(groups.size() + 1);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    groups_[g].lr_scale = groups[g].lr_scale;
    groups_[g].weight_decay = groups[g].weight_decay < 0 ? options.weight_decay : groups[g].weight_decay;
  }
  groups_.back().weight_decay = options.weight_decay;

  std::vector<bool> used(groups.size(), false);
  for (auto& item : model.named_parameters()) {
    const auto matches_group = [&](const GroupOptions& group) {
      return std::ranges::any_of(group.match,
                                 [&](const auto& pattern) { return matches(item.key(), pattern); });
    };
    const auto found = std::ranges::find_if(groups, matches_group) - groups.begin();
    const bool in_default = found == std::ssize(groups);
    if (!in_default) used[found] = true;
    at::Tensor parameter = item.value();
    if (!in_default && groups[found].frozen) parameter.set_requires_grad(false);
    if (!parameter.requires_grad()) continue;
    auto& group = groups_[found];
    group.names.push_back(item.key());
    group.parameters.push_back(parameter);
    group.exp_avg.push_back(torch::zeros_like(parameter));
    group.exp_avg_sq.push_back(torch::zeros_like(parameter));
    group.steps.push_back(torch::zeros({}, parameter.options()));
    trained_.push_back(parameter);
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (used[g]) continue;
    throw UsageError(text("groups.", g, ".match fits no parameter of the model"), "",
                     "`tutti inspect RECIPE` lists the parameters' names.");
  }
  if (trained_.empty()) throw UsageError("nothing is trained", "every parameter is frozen by [[groups]]");
}

std::vector<at::Tensor> Optimizer::parameters() const { return trained_; }

void Optimizer::step(double lr) {
  const torch::NoGradGuard no_grad;
  for (auto& group : groups_) {
    if (group.parameters.empty()) continue;
    std::vector<at::Tensor> gradients;
    for (const auto& parameter : group.parameters) gradients.push_back(parameter.grad());
    at::_foreach_add_(group.steps, 1);
    const auto update = [&](auto fused) {
      fused(group.parameters, gradients, group.exp_avg, group.exp_avg_sq, at::TensorList{}, group.steps,
            lr * group.lr_scale, options_.betas[0], options_.betas[1], group.weight_decay, options_.eps,
            /*amsgrad=*/false, /*maximize=*/false);
    };
    if (options_.name == "adam") {
      update([](auto&&... arguments) { at::_fused_adam_(arguments...); });
    } else {
      update([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
    }
  }
}

std::map<std::string, at::Tensor> Optimizer::state() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& group : groups_) {
    for (std::size_t i = 0; i < group.names.size(); ++i) {
      state["exp_avg." + group.names[i]] = group.exp_avg[i];
      state["exp_avg_sq." + group.names[i]] = group.exp_avg_sq[i];
      state["step." + group.names[i]] = group.steps[i];
    }
  }
  return state;
}

void Optimizer::load_state(const std::map<std::string, at::Tensor>& saved) {
  auto ours = state();
  for (const auto& item : saved) {
    if (!ours.contains(item.first))
      throw Error(text("optimizer state '", item.first, "' fits no trained parameter"));
  }
  for (auto& [name, tensor] : ours) {
    const auto found = saved.find(name);
    if (found == saved.end()) throw Error(text("optimizer state '", name, "' is missing"));
    if (found->second.sizes() != tensor.sizes()) {
      throw Error(
          text("optimizer state '", name, "' has shape ", found->second.sizes(), ", not ", tensor.sizes()));
    }
    tensor.copy_(found->second);
  }
}

}  // namespace tutti::recipes
