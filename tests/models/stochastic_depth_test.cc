#include "models/stochastic_depth.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace tutti::models {
namespace {

at::Tensor keys(std::int64_t count) { return at::arange(count, at::kLong) * 7919 + 13; }

// splitmix64 with the site folded into its seed, in plain integers.
double reference(std::uint64_t key, std::uint64_t site, std::uint64_t element) {
  const auto finalised = [](std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  };
  constexpr std::uint64_t golden = 0x9E3779B97F4A7C15;
  return static_cast<double>(finalised(finalised(key + (site + 1) * golden) + (element + 1) * golden) >> 40) *
         0x1p-24;
}

TEST(StochasticDepth, UniformIsSplitmixOfKeySiteAndElement) {
  const auto key_B = at::tensor({std::int64_t{-5}, std::int64_t{1} << 62}, at::kLong);
  const auto u = uniform_by_key(key_B, 11, 9);
  for (std::int64_t b = 0; b < 2; ++b) {
    for (std::int64_t e = 0; e < 9; ++e) {
      EXPECT_EQ(u[b][e].item<double>(), reference(static_cast<std::uint64_t>(key_B[b].item<std::int64_t>()),
                                                  11, static_cast<std::uint64_t>(e)));
    }
  }
}

TEST(StochasticDepth, UniformHasItsMomentsOverKeysSitesAndElements) {
  const auto over_keys = uniform_by_key(keys(100000), 3, 1);
  const auto over_elements = uniform_by_key(keys(1), 3, 100000);
  std::vector<at::Tensor> sites;
  for (Site site = 0; site < 1000; ++site) sites.push_back(uniform_by_key(keys(100), site, 1));
  for (const auto& u : {over_keys, over_elements, at::cat(sites)}) {
    EXPECT_NEAR(u.mean().item<double>(), 0.5, 0.005);
    EXPECT_NEAR(u.var().item<double>(), 1.0 / 12, 0.002);
    EXPECT_GE(u.min().item<double>(), 0.0);
    EXPECT_LT(u.max().item<double>(), 1.0);
  }
}

TEST(StochasticDepth, DropPathDropsWholeSamplesAtItsRateAndKeepsTheMean) {
  const auto x = at::ones({20000, 2, 3});
  const auto y = drop_path(x, keys(20000), 5, 0.3);
  EXPECT_NEAR((y == 0).to(at::kFloat).mean().item<double>(), 0.3, 0.01);
  EXPECT_NEAR(y.mean().item<double>(), 1.0, 0.02);
  EXPECT_TRUE(at::equal(y, y.narrow(1, 0, 1).narrow(2, 0, 1).expand_as(y)));
}

TEST(StochasticDepth, DropoutDropsElementsAtItsRateAndKeepsTheMean) {
  const auto y = dropout(at::ones({4, 100, 300}), keys(4), 5, 0.2);
  EXPECT_NEAR((y == 0).to(at::kFloat).mean().item<double>(), 0.2, 0.005);
  EXPECT_NEAR(y.mean().item<double>(), 1.0, 0.005);
  EXPECT_FALSE(at::equal(y[0], y[1]));
  EXPECT_FALSE(at::equal(y, dropout(at::ones({4, 100, 300}), keys(4), 6, 0.2)));
}

TEST(StochasticDepth, MasksDependOnTheSamplesKeyAlone) {
  const auto x = at::ones({6, 10, 8});
  const auto key_B = keys(6);
  const auto y = dropout(x, key_B, 2, 0.5);
  EXPECT_TRUE(at::equal(dropout(x.narrow(0, 2, 3), key_B.narrow(0, 2, 3), 2, 0.5), y.narrow(0, 2, 3)));
  EXPECT_TRUE(at::equal(dropout(x.narrow(1, 0, 2), key_B, 2, 0.5), y.narrow(1, 0, 2)));
}

TEST(StochasticDepth, NothingIsDroppedInEvaluation) {
  const auto x = at::ones({2, 3, 4});
  EXPECT_TRUE(drop_path(x, {}, 0, 0.5).is_same(x));
  EXPECT_TRUE(dropout(x, {}, 0, 0.5).is_same(x));
  EXPECT_TRUE(dropout(x, keys(2), 0, 0.0).is_same(x));
}

}  // namespace
}  // namespace tutti::models
