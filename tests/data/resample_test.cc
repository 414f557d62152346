#include "data/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <numeric>

namespace tutti::data {
namespace {

std::vector<float> sine(double hz, std::int64_t rate, std::int64_t count) {
  std::vector<float> wave(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < wave.size(); ++i) {
    const double turns = hz * static_cast<double>(i) / static_cast<double>(rate);
    wave[i] = static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * turns));
  }
  return wave;
}

// The largest difference, edges left out.
double largest_gap(const std::vector<float>& a, const std::vector<float>& b, std::size_t edge) {
  double gap = 0;
  for (std::size_t i = edge; i + edge < std::min(a.size(), b.size()); ++i)
    gap = std::max<double>(gap, std::abs(a[i] - b[i]));
  return gap;
}

TEST(Resample, LengthIsRoundedUp) {
  EXPECT_EQ(resampled_count(44100, 44100, 16000), 16000);
  EXPECT_EQ(resampled_count(44101, 44100, 16000), 16001);
  EXPECT_EQ(resampled_count(1, 48000, 16000), 1);
  for (std::int64_t from : {8000, 11025, 22050, 44100, 48000, 96000, 192000}) {
    for (std::int64_t to : {8000, 16000, 44100}) {
      for (std::int64_t count : {1, 2, 3, 100, 4999, 20000}) {
        const auto out = resample(sine(440, from, count), from, to);
        EXPECT_EQ(static_cast<std::int64_t>(out.size()), resampled_count(count, from, to))
            << count << ' ' << from << ' ' << to;
      }
    }
  }
}

// A sine below both band limits is the same sine, in place and in level.
TEST(Resample, KeepsFrequencyLevelAndTime) {
  for (std::int64_t from : {8000, 22050, 44100, 48000}) {
    for (double hz : {50.0, 1000.0, 3300.0}) {
      const auto out = resample(sine(hz, from, from), from, 16000);
      EXPECT_LT(largest_gap(out, sine(hz, 16000, 16000), 400), 1e-4) << from << ' ' << hz;
    }
  }
}

// What lies above half the new rate must not fold back: 9 kHz would become 7 kHz.
TEST(Resample, RejectsAliases) {
  for (double hz : {9000.0, 12000.0, 20000.0}) {
    const auto out = resample(sine(hz, 44100, 44100), 44100, 16000);
    EXPECT_LT(largest_gap(out, std::vector<float>(out.size()), 400), 1e-4) << hz;  // below -74 dB
  }
}

TEST(Resample, BlocksMakeNoDifference) {
  const auto wave = sine(1000, 44100, 50000);
  const auto whole = resample(wave, 44100, 16000);
  for (std::size_t block : {1000, 4096, 7777}) {
    std::vector<float> out;
    Resampler resampler(44100, 16000);
    for (std::size_t i = 0; i < wave.size(); i += block) {
      resampler.push(std::span(wave).subspan(i, std::min(block, wave.size() - i)), out);
    }
    resampler.finish(out);
    EXPECT_EQ(out, whole) << block;
  }
}

}  // namespace
}  // namespace tutti::data
