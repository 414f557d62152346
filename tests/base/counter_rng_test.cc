#include "base/counter_rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tutti {
namespace {

// Known answers published with the reference implementation of Salmon et al. 2011 (kat_vectors).
TEST(CounterRng, PhiloxGivesThePublishedKnownAnswers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, ~std::uint64_t{0}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CounterRng, SameKeySameNumbersOtherStreamOthers) {
  CounterRng a(7, 1), b(7, 1), c(7, 2);
  const double first = a.uniform();
  EXPECT_EQ(first, b.uniform());
  EXPECT_NE(first, c.uniform());
}

struct Moments {
  double mean, variance;
};

template <class Draw>
Moments moments(Draw draw) {
  constexpr int count = 200000;
  double sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / count;
  return {mean, squares / count - mean * mean};
}

TEST(CounterRng, DistributionsHaveTheirMoments) {
  CounterRng rng(3);
  const auto uniform = moments([&] { return rng.uniform(); });
  EXPECT_NEAR(uniform.mean, 0.5, 0.005);
  EXPECT_NEAR(uniform.variance, 1.0 / 12, 0.002);
  const auto normal = moments([&] { return rng.normal(); });
  EXPECT_NEAR(normal.mean, 0.0, 0.01);
  EXPECT_NEAR(normal.variance, 1.0, 0.02);
  for (const auto& [a, b] : {std::pair{10.0, 10.0}, {0.4, 0.4}, {2.0, 5.0}}) {
    const auto beta = moments([&] { return rng.beta(a, b); });
    EXPECT_NEAR(beta.mean, a / (a + b), 0.005);
    EXPECT_NEAR(beta.variance, a * b / ((a + b) * (a + b) * (a + b + 1)), 0.003);
  }
}

TEST(CounterRng, IntegersAreUniform) {
  CounterRng rng(5);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[rng.integer(7)];
  double chi_square = 0;
  for (int count : counts) chi_square += (count - 10000.0) * (count - 10000.0) / 10000.0;
  EXPECT_LT(chi_square, 22.5);  // 6 degrees of freedom: exceeded once in a thousand
}

}  // namespace
}  // namespace tutti
