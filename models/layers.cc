#include "models/layers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>

#include <cmath>

#include "models/initialisation.h"

namespace tutti::models {

Linear::Linear(std::int64_t inputs, std::int64_t outputs)
    : weight(register_parameter("weight", at::empty({outputs, inputs}))),
      bias(register_parameter("bias", at::empty({outputs}))) {}

void Linear::initialise(std::uint64_t seed, const std::string& prefix) {
  const at::NoGradGuard no_grad;
  const double bound = 1.0 / std::sqrt(weight.size(1));
  fill_uniform(weight, bound, parameter_key(seed, prefix + "weight"));
  fill_uniform(bias, bound, parameter_key(seed, prefix + "bias"));
}

at::Tensor Linear::forward(const at::Tensor& x) const { return at::linear(x, weight, bias); }

LayerNorm::LayerNorm(std::int64_t dim, double epsilon_)
    : weight(register_parameter("weight", at::empty({dim}))),
      bias(register_parameter("bias", at::empty({dim}))),
      epsilon(epsilon_) {}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
}

}  // namespace tutti::models
