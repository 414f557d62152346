#include "data/features.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tutti::data {
namespace {

TEST(FeatureOptions, FramesFollowKaldi) {
  const FeatureOptions options;
  EXPECT_EQ(frame_count(options, 399), 0);
  EXPECT_EQ(frame_count(options, 400), 1);
  EXPECT_EQ(frame_count(options, 559), 1);
  EXPECT_EQ(frame_count(options, 560), 2);
  EXPECT_EQ(frame_count(options, 160000), 998);
  EXPECT_EQ(sample_count(options, 998), 159920);
  EXPECT_EQ(window_samples({.sample_rate = 44100}), 1102);  // 1102.5, rounded down
  EXPECT_EQ(shift_samples({.sample_rate = 22050}), 220);
}

TEST(FeatureOptions, CheckNamesTheKeysThatDoNotFit) {
  EXPECT_NO_THROW(check(FeatureOptions{}));
  EXPECT_THROW(check({.mels = 3}), UsageError);
  EXPECT_THROW(check({.low_hz = 8000}), UsageError);
  EXPECT_THROW(check({.high_hz = 8001}), UsageError);
  EXPECT_THROW(check({.downmix = "left"}), UsageError);
  EXPECT_THROW(check({.sample_rate = 1000, .frame_length_ms = 1}), UsageError);
}

}  // namespace
}  // namespace tutti::data
