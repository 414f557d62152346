#include "dist/buckets.h"

#include <gtest/gtest.h>

namespace tutti::dist {
namespace {

TEST(Buckets, GoFromTheLastParameterToTheFirstAndCoverAll) {
  const std::vector<std::int64_t> offsets{0, 16, 48, 64, 160};
  const auto buckets = plan_buckets(offsets, 100, 50);
  ASSERT_EQ(buckets.size(), 3U);
  EXPECT_EQ(buckets[0].begin, 64);
  EXPECT_EQ(buckets[0].end, 160);
  EXPECT_EQ(buckets[1].first, 1U);
  EXPECT_EQ(buckets[1].last, 3U);
  EXPECT_EQ(buckets[1].end, buckets[0].begin);
  EXPECT_EQ(buckets[2].begin, 0);
  EXPECT_EQ(buckets[2].end, buckets[1].begin);
}

TEST(Buckets, AParameterAboveTheLimitHasOneToItself) {
  const auto buckets = plan_buckets(std::vector<std::int64_t>{0, 16, 1016, 1032}, 10, 10);
  ASSERT_EQ(buckets.size(), 3U);
  EXPECT_EQ(buckets[1].end - buckets[1].begin, 1000);
}

TEST(Buckets, TheFirstHasItsOwnLimit) {
  const auto buckets = plan_buckets(std::vector<std::int64_t>{0, 16, 32, 48, 64}, 16, 64);
  ASSERT_EQ(buckets.size(), 2U);
  EXPECT_EQ(buckets[0].end - buckets[0].begin, 16);
  EXPECT_EQ(buckets[1].end - buckets[1].begin, 48);
}

}  // namespace
}  // namespace tutti::dist
