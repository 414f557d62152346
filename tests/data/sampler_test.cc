#include "data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace tutti::data {
namespace {

std::vector<Example> numbered(std::int64_t count) {
  std::vector<Example> examples;
  for (std::int64_t i = 0; i < count; ++i)
    examples.push_back({.record = i, .start = 0, .length = 1, .group = i});
  return examples;
}

std::vector<std::int64_t> order(const Sampler& sampler, std::int64_t epoch) {
  std::vector<std::int64_t> records;
  for (std::int64_t i = 0; i < sampler.size(); ++i) records.push_back(sampler.at(epoch, i).record);
  return records;
}

TEST(Sampler, EachEpochIsAPermutation) {
  for (const std::int64_t count : {1, 2, 3, 5, 16, 17, 1000, 4096, 4097}) {
    const Sampler sampler(numbered(count), Order::shuffled, 3);
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      std::vector<std::int64_t> records = order(sampler, epoch);
      std::ranges::sort(records);
      for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(records[static_cast<std::size_t>(i)], i) << count;
    }
  }
}

TEST(Sampler, OrderDependsOnSeedAndEpochAlone) {
  const Sampler sampler(numbered(100), Order::shuffled, 3);
  EXPECT_EQ(order(sampler, 5), order(Sampler(numbered(100), Order::shuffled, 3), 5));
  EXPECT_NE(order(sampler, 5), order(sampler, 6));
  EXPECT_NE(order(sampler, 5), order(Sampler(numbered(100), Order::shuffled, 4), 5));
}

TEST(Sampler, SequentialIsAsGiven) {
  const Sampler sampler(numbered(10), Order::sequential);
  for (std::int64_t i = 0; i < 10; ++i) EXPECT_EQ(sampler.at(7, i).record, i);
}

// Over many epochs, a position has every example equally often, and so has the pair of two positions.
TEST(Sampler, ShufflesUniformly) {
  constexpr std::int64_t count = 12;
  constexpr std::int64_t epochs = 26400;
  const Sampler sampler(numbered(count), Order::shuffled, 11);
  std::vector<int> single(count), pairs(count * count);
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    const auto first = sampler.at(epoch, 4).record, second = sampler.at(epoch, 5).record;
    ++single[static_cast<std::size_t>(first)];
    ++pairs[static_cast<std::size_t>(first * count + second)];
  }
  double chi_square = 0;
  for (const int seen : single) chi_square += std::pow(seen - 2200.0, 2) / 2200.0;
  EXPECT_LT(chi_square, 31.3);  // 11 degrees of freedom: exceeded once in a thousand
  chi_square = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i / count != i % count) chi_square += std::pow(pairs[i] - 200.0, 2) / 200.0;
  }
  EXPECT_LT(chi_square, 185.6);  // 131 degrees of freedom, the same
}

}  // namespace
}  // namespace tutti::data
