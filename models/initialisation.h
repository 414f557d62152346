#pragma once
// Initial values from the counter-based generator: a parameter's values are a function of (seed, name,
// shape), so they do not depend on the order of construction, on threads or on the rank.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace tutti::models {

// The generator's key for one parameter.
std::uint64_t parameter_key(std::uint64_t seed, std::string_view name);

// Normal with mean 0. timm's trunc_normal_ cuts at -2 and 2, absolute: 100 standard deviations for its
// .02. Values here never exceed 8.6 standard deviations (53 random bits), so for deviations up to .2
// this is that distribution. `parameter` is float32, contiguous, on the CPU; it is overwritten.
void fill_normal(at::Tensor parameter, double deviation, std::uint64_t key);

// Uniform in [-bound, bound); likewise.
void fill_uniform(at::Tensor parameter, double bound, std::uint64_t key);

}  // namespace tutti::models
