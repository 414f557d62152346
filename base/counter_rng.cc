#include "base/counter_rng.h"

#include <cmath>
#include <numbers>

namespace tutti {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  auto [c0, c1, c2, c3] = counter;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<std::uint32_t>(p0);
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

std::uint64_t mix_key(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = a * 0x9E3779B97F4A7C15 + b + 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::uint32_t CounterRng::word() {
  if (used_ == words_.size()) {
    words_ = philox({static_cast<std::uint32_t>(block_), static_cast<std::uint32_t>(block_ >> 32),
                     static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                    key_);
    ++block_;
    used_ = 0;
  }
  return words_[used_++];
}

double CounterRng::uniform() {
  const std::uint64_t high = word() >> 5;  // 27 bits
  const std::uint64_t low = word() >> 6;   // 26 bits
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

std::uint64_t CounterRng::integer(std::uint64_t count) {
  // Rejects the part of the 64-bit range that would favour small results.
  const std::uint64_t reject_below = (0 - count) % count;
  for (;;) {
    const std::uint64_t high = word();
    const std::uint64_t bits = (high << 32) | word();
    if (bits >= reject_below) return bits % count;
  }
}

double CounterRng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double CounterRng::gamma(double shape) {
  if (shape < 1.0) return gamma(shape + 1.0) * std::pow(1.0 - uniform(), 1.0 / shape);
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal();
    const double v = std::pow(1.0 + c * x, 3);
    if (v <= 0.0) continue;
    const double u = 1.0 - uniform();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

double CounterRng::beta(double a, double b) {
  const double x = gamma(a);
  const double y = gamma(b);
  // Both underflow only for tiny a and b, where the distribution sits at the two ends.
  if (x + y == 0.0) return uniform() * (a + b) < a ? 1.0 : 0.0;
  return x / (x + y);
}

}  // namespace tutti
