#include "models/patch_masks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace tutti::models {
namespace {

TEST(PatchMasks, ClustersAreSquaresAndNeverPatchZero) {
  const PatchGrid grid{8, 64};
  std::set<std::size_t> sides;
  for (std::uint64_t key = 0; key < 200; ++key) {
    const auto mask = clustered_mask(grid, 100, CounterRng(key));
    ASSERT_EQ(mask.size(), 100U);
    EXPECT_TRUE(std::ranges::is_sorted(mask));
    EXPECT_EQ(std::set(mask.begin(), mask.end()).size(), 100U);
    EXPECT_GT(mask.front(), 0);
    EXPECT_LT(mask.back(), grid.patches());

    // The lowest patch begins a square: its row is masked for 3 patches at least, and so are those below.
    const auto masked = [&](std::int64_t patch) { return std::ranges::binary_search(mask, patch); };
    std::size_t side = 1;
    while (masked(mask.front() + static_cast<std::int64_t>(side))) ++side;
    EXPECT_TRUE(side >= 3 || mask.front() == 1) << side;  // a square at patch 0 loses its corner
    if (side >= 3 && side <= 5) sides.insert(side);
    EXPECT_TRUE(masked(mask.front() + grid.frames)) << key;
  }
  EXPECT_EQ(sides, (std::set<std::size_t>{3, 4, 5}));
}

TEST(PatchMasks, ClustersFillAlmostAllOfASmallGrid) {
  const auto mask = clustered_mask({2, 2}, 2, CounterRng(7));
  EXPECT_EQ(mask, (std::vector<std::int64_t>{1, 2}));
}

// 5 of 20: each patch in a quarter of the masks, 3000 +- 5 standard deviations of 47.
TEST(PatchMasks, ScatteredOnesAreUniform) {
  std::vector<int> counts(20);
  for (std::uint64_t key = 0; key < 12'000; ++key) {
    const auto mask = scattered_mask(20, 5, CounterRng(key));
    ASSERT_EQ(std::set(mask.begin(), mask.end()).size(), 5U);
    for (const auto patch : mask) ++counts.at(static_cast<std::size_t>(patch));
  }
  for (const int count : counts) EXPECT_NEAR(count, 3000, 235);
}

}  // namespace
}  // namespace tutti::models
