#include "models/initialisation.h"

#include <cmath>
#include <numbers>
#include <span>
#include <utility>

#include "base/counter_rng.h"

namespace tutti::models {
namespace {

double unit(std::uint32_t high, std::uint32_t low) {  // [0, 1), 53 bits
  return static_cast<double>(((std::uint64_t{high} << 32) | low) >> 11) * 0x1p-53;
}

// values[2 i] and values[2 i + 1] are what `pair` makes of two uniform numbers, from counter i alone.
template <class Pair>
void fill(at::Tensor& parameter, std::uint64_t key, Pair pair) {
  const std::span values(parameter.mutable_data_ptr<float>(), static_cast<std::size_t>(parameter.numel()));
  for (std::size_t i = 0; i < values.size(); i += 2) {
    const std::uint64_t counter = i / 2;
    const auto words =
        philox({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0}, key);
    const auto [first, second] = pair(unit(words[0], words[1]), unit(words[2], words[3]));
    values[i] = static_cast<float>(first);
    if (i + 1 < values.size()) values[i + 1] = static_cast<float>(second);
  }
}

}  // namespace

std::uint64_t parameter_key(std::uint64_t seed, std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return mix_key(seed, hash);
}

void fill_normal(at::Tensor parameter, double deviation, std::uint64_t key) {
  fill(parameter, key, [deviation](double u, double v) {  // Box and Muller 1958
    const double radius = deviation * std::sqrt(-2.0 * std::log(1.0 - u));
    const double angle = 2.0 * std::numbers::pi * v;
    return std::pair(radius * std::cos(angle), radius * std::sin(angle));
  });
}

void fill_uniform(at::Tensor parameter, double bound, std::uint64_t key) {
  fill(parameter, key,
       [bound](double u, double v) { return std::pair(bound * (2.0 * u - 1.0), bound * (2.0 * v - 1.0)); });
}

}  // namespace tutti::models
