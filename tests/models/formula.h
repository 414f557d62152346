#pragma once
// tests/golden/formula.py in C++: inputs and weights that need no file.

#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"

namespace tutti::models {

// Uniform in [-1, 1), float32, by the tensor's name and the element's row-major index.
inline at::Tensor formula_tensor(std::string_view name, at::IntArrayRef shape) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  auto result = at::empty(shape);
  auto* values = result.data_ptr<float>();
  for (std::int64_t i = 0; i < result.numel(); ++i) {
    std::uint64_t z = hash + static_cast<std::uint64_t>(i + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z = z ^ (z >> 31);
    values[i] = 2.0f * (static_cast<float>(z >> 40) / static_cast<float>(1 << 24)) - 1.0f;
  }
  return result;
}

// LayerNorm weights near 1, biases and tokens moderate, matrices of unit gain.
inline at::Tensor formula_weight(const std::string& name, at::IntArrayRef shape) {
  const auto value = formula_tensor(name, shape);
  if (shape.size() == 1) return value * 0.1 + (name.ends_with(".weight") ? 1.0 : 0.0);
  if (name.find("pos_embed") != name.npos || name.find("token") != name.npos) return value * 0.5;
  const double inputs = static_cast<double>(value.numel()) / static_cast<double>(shape[0]);
  return value * std::sqrt(3.0 / inputs);
}

inline void fill_by_formula(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (const auto& item : module.named_parameters()) {
    item.value().copy_(formula_weight(item.key(), item.value().sizes()));
  }
}

// What a function throws, as text; empty if it throws nothing.
template <class Function>
std::string message_of(Function function) {
  try {
    function();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

}  // namespace tutti::models
