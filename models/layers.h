#pragma once
// The parametrised layers, with uninitialised values: torch's own layers would draw theirs from the
// global generator. models/initialisation.h fills them.

#include <torch/nn/module.h>

#include <cstdint>
#include <string>

namespace tutti::models {

struct Linear : torch::nn::Module {
  Linear(std::int64_t inputs, std::int64_t outputs);
  at::Tensor forward(const at::Tensor& x) const;  // [..., inputs] -> [..., outputs]

  // PyTorch's default: weight and bias uniform in +-1 / sqrt(inputs). `prefix`: what stands before their
  // names in the whole model.
  void initialise(std::uint64_t seed, const std::string& prefix);

  at::Tensor weight;  // [outputs, inputs]
  at::Tensor bias;    // [outputs]
};

struct LayerNorm : torch::nn::Module {
  LayerNorm(std::int64_t dim, double epsilon);
  at::Tensor forward(const at::Tensor& x) const;  // over the last dimension

  at::Tensor weight;  // [dim]
  at::Tensor bias;    // [dim]
  double epsilon;
};

}  // namespace tutti::models
