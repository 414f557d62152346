#include "data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "data/class_balance.h"
#include "tests/data/chi_square.h"
#include "tests/data/shard_fixture.h"
#include "tests/expect_error.h"

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

TEST(Sampler, WeightedDrawsFollowTheWeights) {
  const std::vector<double> weights = {1, 0, 2.5, 4, 0, 0.5};
  const Sampler sampler(numbered(6), weights, 5);
  std::vector<int> single(6), pairs(36);
  for (std::int64_t epoch = 0; epoch < 20000; ++epoch) {
    const auto first = sampler.at(epoch, 2).record, second = sampler.at(epoch, 3).record;
    ++single[static_cast<std::size_t>(first)];
    ++pairs[static_cast<std::size_t>(first * 6 + second)];
  }
  EXPECT_EQ(single[1] + single[4], 0);
  std::vector<double> probabilities, of_pairs;
  for (const double weight : weights) probabilities.push_back(weight / 8);
  for (const double one : probabilities) {
    for (const double other : probabilities) of_pairs.push_back(one * other);
  }
  expect_fits(single, probabilities, "a position");
  expect_fits(pairs, of_pairs, "two positions");
}

TEST(Sampler, WeightedDrawsDependOnSeedEpochAndPositionAlone) {
  const std::vector<double> weights(100, 1);
  const Sampler sampler(numbered(100), weights, 3);
  EXPECT_EQ(order(sampler, 5), order(Sampler(numbered(100), weights, 3), 5));
  EXPECT_NE(order(sampler, 5), order(sampler, 6));
  EXPECT_NE(order(sampler, 5), order(Sampler(numbered(100), weights, 4), 5));
  std::vector<std::int64_t> records = order(sampler, 0);
  std::ranges::sort(records);
  EXPECT_NE(std::ranges::adjacent_find(records), records.end()) << "with replacement";
}

TEST(Sampler, ClassBalancedWeightsAreThoseOfAst) {
  const TemporaryFolder folder;
  write_small_set(folder.path(), {16, 4});
  const auto shards = ShardSet::open(folder.path());
  // Labels of record n are its bits; of records 3, 5, 6 and 8: a and b, a and c, b and c, d.
  std::vector<Example> examples;
  for (const std::int64_t record : {3, 5, 6, 8})
    examples.push_back({.record = record, .start = 0, .length = 1});
  const auto weights = class_balanced_weights(shards, examples);
  ASSERT_EQ(weights.size(), 4U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_DOUBLE_EQ(weights[i], 2 * 1000 / 2.01);
  EXPECT_DOUBLE_EQ(weights[3], 1000 / 1.01);
  examples.push_back({.record = 16});
  expect_error([&] { class_balanced_weights(shards, examples); },
               {folder.path().native(), "1 of 5 clips", "16.ogg", "no label", "shuffle"});
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

// Over many epochs, three positions hold every arrangement equally often: of 3 and 4 examples, that is the
// whole order. (Of more it is not: a Feistel network makes even permutations only, so one parity of whole
// orders is likelier. No n - 2 positions tell of it.)
TEST(Sampler, EveryArrangementIsAsLikely) {
  for (const std::int64_t count : {3, 4, 5, 6, 8, 16, 17}) {
    const Sampler sampler(numbered(count), Order::shuffled, 5);
    std::map<std::vector<std::int64_t>, int> seen;
    for (std::int64_t epoch = 0; epoch < 60000; ++epoch) {
      ++seen[{sampler.at(epoch, 0).record, sampler.at(epoch, 1).record, sampler.at(epoch, 2).record}];
    }
    std::vector<int> counts;
    for (const auto& item : seen) counts.push_back(item.second);
    ASSERT_EQ(std::ssize(counts), count * (count - 1) * (count - 2));
    expect_uniform(counts, std::to_string(count) + " examples");
  }
}

// Two random orders agree at k places with the chance of Poisson's distribution of mean 1.
TEST(Sampler, EpochsAndSeedsAreIndependent) {
  std::vector<double> poisson = {std::exp(-1.0)};
  for (int k = 1; k < 6; ++k) poisson.push_back(poisson.back() / k);
  poisson.push_back(1 - std::reduce(poisson.begin(), poisson.end()));
  std::vector<int> epochs(poisson.size()), seeds(poisson.size()), identity(poisson.size());
  const auto agreements = [&](const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
    const auto places =
        std::inner_product(a.begin(), a.end(), b.begin(), std::size_t{0}, std::plus<>(), std::equal_to<>());
    return std::min(places, poisson.size() - 1);
  };
  constexpr std::int64_t count = 100;
  const Sampler sampler(numbered(count), Order::shuffled, 21), other(numbered(count), Order::shuffled, 22);
  std::vector<std::int64_t> given(count);
  std::iota(given.begin(), given.end(), 0);
  for (std::int64_t epoch = 0; epoch < 2000; ++epoch) {
    const auto now = order(sampler, epoch);
    ++epochs[agreements(now, order(sampler, epoch + 1))];
    ++seeds[agreements(now, order(other, epoch))];
    ++identity[agreements(now, given)];
  }
  expect_fits(epochs, poisson, "one epoch and the next");
  expect_fits(seeds, poisson, "one seed and the next");
  expect_fits(identity, poisson, "the order as given");
}

}  // namespace
}  // namespace tutti::data
