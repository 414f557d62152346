#include "data/draws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include "tests/data/chi_square.h"

namespace tutti::data {
namespace {

constexpr std::int64_t kCount = 40000;
constexpr std::int64_t kFrames = 100;
constexpr std::int64_t kMels = 40;

AugmentOptions everything() {
  return {.mixup = 0.5,
          .mixup_alpha = 10,
          .freq_mask = 24,
          .time_mask = 30,
          .time_stretch = 0.2,
          .roll = 10,
          .gain_db = 6,
          .noise = 0.1};
}

std::vector<Draws> draw_many(const AugmentOptions& options) {
  std::vector<Draws> all;
  for (std::int64_t i = 0; i < kCount; ++i) all.push_back(draw(options, 50, kFrames, kMels, 7, 2, i));
  return all;
}

template <class Value>
double mean(const std::vector<Draws>& all, Value value) {
  double sum = 0;
  for (const Draws& draws : all) sum += static_cast<double>(std::invoke(value, draws));
  return sum / static_cast<double>(all.size());
}

TEST(Draws, WithEverythingOffLeaveTheClipAsItIs) {
  for (std::int64_t i = 0; i < 100; ++i) {
    const Draws draws = draw({}, 50, kFrames, kMels, 7, 2, i);
    EXPECT_EQ(draws.partner, -1);
    EXPECT_EQ(draws.mix, 1);
    EXPECT_EQ(draws.stretch, 1);
    EXPECT_EQ(draws.freq_mask.width, 0);
    EXPECT_EQ(draws.time_mask.width, 0);
    EXPECT_EQ(draws.roll, 0);
    EXPECT_EQ(draws.gain_db, 0);
    EXPECT_EQ(draws.noise, 0);
  }
}

TEST(Draws, AreAFunctionOfSeedEpochAndPosition) {
  const AugmentOptions options = everything();
  const auto crop = [&](std::uint64_t seed, std::int64_t epoch, std::int64_t position) {
    return draw(options, 50, kFrames, kMels, seed, epoch, position).crop;
  };
  EXPECT_EQ(crop(1, 2, 3), crop(1, 2, 3));
  EXPECT_NE(crop(1, 2, 3), crop(2, 2, 3));
  EXPECT_NE(crop(1, 2, 3), crop(1, 3, 3));
  EXPECT_NE(crop(1, 2, 3), crop(1, 2, 4));
}

TEST(Draws, SwitchingOneOffLeavesTheOthers) {
  const AugmentOptions all = everything();
  AugmentOptions less = all;
  less.mixup = 0;
  less.time_mask = 0;
  less.roll = 0;
  for (std::int64_t i = 0; i < 100; ++i) {
    const Draws a = draw(all, 50, kFrames, kMels, 7, 2, i);
    const Draws b = draw(less, 50, kFrames, kMels, 7, 2, i);
    EXPECT_EQ(a.freq_mask.start, b.freq_mask.start);
    EXPECT_EQ(a.freq_mask.width, b.freq_mask.width);
    EXPECT_EQ(a.stretch, b.stretch);
    EXPECT_EQ(a.gain_db, b.gain_db);
    EXPECT_EQ(a.noise, b.noise);
    EXPECT_EQ(a.crop, b.crop);
    EXPECT_EQ(a.key, b.key);
  }
}

TEST(Draws, MixupIsAsOftenAndAsStrongAsAsked) {
  const std::vector<Draws> all = draw_many(everything());
  std::vector<int> partners(50);
  double mixed = 0, sum = 0, squares = 0;
  for (const Draws& draws : all) {
    if (draws.partner < 0) {
      EXPECT_EQ(draws.mix, 1);
      continue;
    }
    ++partners[static_cast<std::size_t>(draws.partner)];
    ++mixed;
    sum += draws.mix;
    squares += draws.mix * draws.mix;
  }
  EXPECT_NEAR(mixed / kCount, 0.5, 0.01);
  EXPECT_NEAR(sum / mixed, 0.5, 0.005);
  EXPECT_NEAR(squares / mixed - std::pow(sum / mixed, 2), 100.0 / (400 * 21), 0.0005);  // Beta(10, 10)
  double chi_square = 0;
  for (const int count : partners) chi_square += std::pow(count - mixed / 50, 2) / (mixed / 50);
  EXPECT_LT(chi_square, 85.4);  // 49 degrees of freedom: exceeded once in a thousand
}

// width = floor(U(0, 24)); start = floor(U(0, 40 - U(0, 24))), as torchaudio's mask_along_axis.
TEST(Draws, MasksAreAsInTorchaudio) {
  const std::vector<Draws> all = draw_many(everything());
  std::vector<int> widths(24);
  for (const Draws& draws : all) {
    ASSERT_GE(draws.freq_mask.start, 0);
    ASSERT_LE(draws.freq_mask.start + draws.freq_mask.width, kMels);
    ASSERT_LE(draws.time_mask.start + draws.time_mask.width, kFrames);
    ASSERT_LT(draws.time_mask.width, 30);
    ++widths.at(static_cast<std::size_t>(draws.freq_mask.width));
  }
  double chi_square = 0;
  for (const int count : widths) chi_square += std::pow(count - kCount / 24.0, 2) / (kCount / 24.0);
  EXPECT_LT(chi_square, 49.7);  // 23 degrees of freedom: exceeded once in a thousand
  EXPECT_NEAR(mean(all, [](const Draws& d) { return d.freq_mask.start; }), (40 - 12) / 2.0 - 0.5, 0.15);
}

TEST(Draws, MaskWiderThanTheInputStaysInside) {
  AugmentOptions options;
  options.time_mask = 1000;
  for (std::int64_t i = 0; i < 1000; ++i) {
    const Mask mask = draw(options, 50, kFrames, kMels, 7, 2, i).time_mask;
    ASSERT_GE(mask.start, 0);
    ASSERT_LE(mask.start + mask.width, kFrames);
  }
}

TEST(Draws, RangesAreAsDocumented) {
  const std::vector<Draws> all = draw_many(everything());
  const auto [least, most] = std::ranges::minmax(all, {}, &Draws::roll);
  EXPECT_EQ(least.roll, -10);
  EXPECT_EQ(most.roll, 9);
  EXPECT_NEAR(mean(all, &Draws::roll), -0.5, 0.1);
  const auto uniform = [&](auto member, double low, double high) {
    const auto [smallest, largest] = std::ranges::minmax(all, {}, member);
    EXPECT_NEAR(static_cast<double>(std::invoke(member, smallest)), low, (high - low) * 1e-3);
    EXPECT_NEAR(static_cast<double>(std::invoke(member, largest)), high, (high - low) * 1e-3);
    EXPECT_NEAR(mean(all, member), (low + high) / 2, (high - low) * 0.01);
  };
  uniform(&Draws::gain_db, -6, 6);
  uniform(&Draws::noise, 0, 0.1);
  uniform(&Draws::stretch, 0.8, 1.2);
  uniform(&Draws::crop, 0, 1);
  uniform(&Draws::partner_crop, 0, 1);
}

// Every pair of width and start. With x ~ U(0, param) and start = floor(U(0, size - x)), width = floor(x):
// a start s has the chance 1 / (size - x) while s + 1 <= size - x, and what is left of it for the last s.
TEST(Draws, MasksHaveTheirJointDistribution) {
  const std::vector<Draws> all = draw_many(everything());
  const auto test = [&](auto member, std::int64_t param, std::int64_t size, const std::string& what) {
    std::vector<int> counts(static_cast<std::size_t>(param * size));
    std::vector<double> probabilities(counts.size());
    for (const Draws& draws : all) {
      const Mask& mask = std::invoke(member, draws);
      ++counts.at(static_cast<std::size_t>(mask.width * size + mask.start));
    }
    for (std::int64_t width = 0; width < param; ++width) {
      const std::int64_t last = size - width - 1;
      const double integral = std::log(static_cast<double>(last + 1) / static_cast<double>(last));
      for (std::int64_t start = 0; start <= last; ++start) {
        probabilities[static_cast<std::size_t>(width * size + start)] =
            (start < last ? integral : 1 - static_cast<double>(last) * integral) / static_cast<double>(param);
      }
    }
    expect_fits(counts, probabilities, what);
  };
  test(&Draws::freq_mask, 24, kMels, "mels");
  test(&Draws::time_mask, 30, kFrames, "frames");
}

// P(X < x) for X ~ Beta(alpha, alpha): a binomial sum for an integer alpha, the arcsine law for 1/2.
double beta_below(double x, double alpha) {
  if (alpha == 0.5) return 2 / std::numbers::pi * std::asin(std::sqrt(x));
  const double trials = 2 * alpha - 1;
  double sum = 0;
  for (double j = alpha; j <= trials; ++j) {
    const double choose =
        std::exp(std::lgamma(trials + 1) - std::lgamma(j + 1) - std::lgamma(trials - j + 1));
    sum += choose * std::pow(x, j) * std::pow(1 - x, trials - j);
  }
  return sum;
}

TEST(Draws, MixingWeightsFollowTheBetaDistribution) {
  for (const double alpha : {0.5, 1.0, 2.0, 10.0}) {
    std::vector<int> counts(25);
    std::vector<double> probabilities;
    for (const Draws& draws : draw_many({.mixup = 1, .mixup_alpha = alpha})) {
      ASSERT_GE(draws.partner, 0);
      ++counts.at(static_cast<std::size_t>(std::min(draws.mix, 0.999999F) * 25));
    }
    for (int i = 0; i < 25; ++i) {
      probabilities.push_back(beta_below((i + 1) / 25.0, alpha) - beta_below(i / 25.0, alpha));
    }
    expect_fits(counts, probabilities, "alpha " + std::to_string(alpha));
  }
}

TEST(Draws, UniformOnesAreUniform) {
  const std::vector<Draws> all = draw_many(everything());
  const auto test = [&](auto member, double low, double high, const std::string& what) {
    std::vector<int> counts(20);
    for (const Draws& draws : all) {
      const double place = (static_cast<double>(std::invoke(member, draws)) - low) / (high - low);
      ++counts.at(static_cast<std::size_t>(std::clamp(place, 0.0, 0.999999) * 20));
    }
    expect_uniform(counts, what);
  };
  test(&Draws::gain_db, -6, 6, "gain");
  test(&Draws::noise, 0, 0.1, "noise");
  test(&Draws::stretch, 0.8, 1.2, "stretch");
  test(&Draws::crop, 0, 1, "crop");
  test(&Draws::partner_crop, 0, 1, "partner's crop");
  std::vector<int> rolls(20);
  for (const Draws& draws : all) ++rolls.at(static_cast<std::size_t>(std::int64_t{draws.roll} + 10));
  expect_uniform(rolls, "roll");
}

// Correlations between decisions about one position, and of one decision between neighbouring positions,
// epochs and seeds: within 4.5 standard deviations of 0.
TEST(Draws, DecisionsAreIndependent) {
  AugmentOptions options = everything();
  options.mixup = 1;
  const auto decisions = [&](std::uint64_t seed, std::int64_t epoch, std::int64_t shift) {
    std::vector<std::vector<double>> columns(10);
    for (std::int64_t i = 0; i < kCount; ++i) {
      const Draws d = draw(options, 50, kFrames, kMels, seed, epoch, i + shift);
      const double row[] = {static_cast<double>(d.partner),
                            d.mix,
                            d.crop,
                            d.partner_crop,
                            static_cast<double>(d.freq_mask.width),
                            static_cast<double>(d.time_mask.width),
                            d.stretch,
                            static_cast<double>(d.roll),
                            d.gain_db,
                            d.noise};
      for (std::size_t c = 0; c < columns.size(); ++c) columns[c].push_back(row[c]);
    }
    for (auto& column : columns) {  // to mean 0 and norm 1
      double sum = 0, squares = 0;
      for (const double x : column) sum += x;
      for (double& x : column) squares += std::pow(x -= sum / kCount, 2);
      for (double& x : column) x /= std::sqrt(squares);
    }
    return columns;
  };
  const auto correlation = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::abs(std::inner_product(a.begin(), a.end(), b.begin(), 0.0));
  };
  const double most = 4.5 / std::sqrt(static_cast<double>(kCount));
  const auto columns = decisions(7, 2, 0);
  for (std::size_t a = 0; a < columns.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) EXPECT_LT(correlation(columns[a], columns[b]), most) << a << ' ' << b;
  }
  for (const auto& others : {decisions(7, 2, 1), decisions(7, 3, 0), decisions(8, 2, 0)}) {
    for (std::size_t c = 0; c < columns.size(); ++c) EXPECT_LT(correlation(columns[c], others[c]), most) << c;
  }
}

}  // namespace
}  // namespace tutti::data
