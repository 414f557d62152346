#include "data/draws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

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

}  // namespace
}  // namespace tutti::data
