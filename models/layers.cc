#include "models/layers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>

namespace tutti::models {

Linear::Linear(std::int64_t inputs, std::int64_t outputs)
    : weight(register_parameter("weight", at::empty({outputs, inputs}))),
      bias(register_parameter("bias", at::empty({outputs}))) {}

at::Tensor Linear::forward(const at::Tensor& x) const { return at::linear(x, weight, bias); }

LayerNorm::LayerNorm(std::int64_t dim, double epsilon_)
    : weight(register_parameter("weight", at::empty({dim}))),
      bias(register_parameter("bias", at::empty({dim}))),
      epsilon(epsilon_) {}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
}

}  // namespace tutti::models
