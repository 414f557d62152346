#include "models/stochastic_depth.h"

#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/bitwise_xor.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/mul.h>

#include <vector>

namespace tutti::models {
namespace {

// splitmix64's constants as ATen sees them: its 64-bit integers are signed and wrap around.
constexpr auto golden = static_cast<std::int64_t>(0x9E3779B97F4A7C15);
constexpr auto multiplier1 = static_cast<std::int64_t>(0xBF58476D1CE4E5B9);
constexpr auto multiplier2 = static_cast<std::int64_t>(0x94D049BB133111EB);

at::Tensor logical_shift(const at::Tensor& z, int bits) {
  const auto mask = static_cast<std::int64_t>(~std::uint64_t{0} >> bits);
  return at::bitwise_right_shift(z, bits).bitwise_and_(mask);
}

at::Tensor finalised(at::Tensor z) {
  z = at::bitwise_xor(z, logical_shift(z, 30)).mul_(multiplier1);
  z = at::bitwise_xor(z, logical_shift(z, 27)).mul_(multiplier2);
  return at::bitwise_xor(z, logical_shift(z, 31));
}

// 1 / (1 - rate) where kept, 0 where dropped; float32 also under autocast, whose bfloat16 would round
// the scale and so shift the mean.
at::Tensor mask(const at::Tensor& key_B, Site site, std::int64_t elements, double rate) {
  return at::ge(uniform_by_key(key_B, site, elements), rate).to(at::kFloat).mul_(1.0 / (1.0 - rate));
}

}  // namespace

at::Tensor uniform_by_key(const at::Tensor& key_B, Site site, std::int64_t elements) {
  // Unsigned, because signed overflow is undefined in C++.
  const auto offset =
      static_cast<std::int64_t>((static_cast<std::uint64_t>(site) + 1) * static_cast<std::uint64_t>(golden));
  const auto state_B1 = finalised(at::add(key_B, offset)).unsqueeze(1);
  const auto step_E = at::arange(1, elements + 1, key_B.options()).mul_(golden);
  return logical_shift(finalised(at::add(state_B1, step_E)), 40).to(at::kFloat).mul_(0x1p-24);
}

at::Tensor drop_path(const at::Tensor& x, const at::Tensor& key_B, Site site, double rate) {
  if (!key_B.defined() || rate == 0.0) return x;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = x.size(0);
  return at::mul(x, mask(key_B, site, 1, rate).view(shape));
}

at::Tensor dropout(const at::Tensor& x, const at::Tensor& key_B, Site site, double rate) {
  if (!key_B.defined() || rate == 0.0) return x;
  std::int64_t elements = 1;
  for (const auto extent : x.sizes().slice(1)) elements *= extent;
  return at::mul(x, mask(key_B, site, elements, rate).view(x.sizes()));
}

}  // namespace tutti::models
