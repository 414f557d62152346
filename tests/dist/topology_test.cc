#include "dist/topology.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace tutti::dist {
namespace {

using Cores = std::vector<std::vector<int>>;
using Node = std::vector<VisibleGpus>;

std::string complaint_about(const Node& node) {
  try {
    choose_gpu(node, 0);
  } catch (const Error& error) {
    return error.what();
  }
  return "no complaint";
}

TEST(CoreShare, IsAnEqualPartWhereRanksRunEverywhere) {
  const Cores unbound(4, {0, 1, 2, 3, 4, 5, 6, 7});
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(share_of_cores(unbound, rank), 2);
  EXPECT_EQ(share_of_cores(Cores(3, {0, 1, 2, 3}), 2), 1);
  EXPECT_EQ(share_of_cores(Cores(3, {0, 1, 2, 3, 4, 5}), 0), 2);
}

TEST(CoreShare, IsAllOwnCoresWhereRanksAreBoundApart) {
  const Cores bound{{0, 1, 2}, {3}};
  EXPECT_EQ(share_of_cores(bound, 0), 3);
  EXPECT_EQ(share_of_cores(bound, 1), 1);
}

TEST(CoreShare, IsAtLeastOne) { EXPECT_EQ(share_of_cores(Cores(4, {0, 1}), 3), 1); }

TEST(CoreShare, CountsSharedCoresInPart) {
  const Cores overlapping{{0, 1, 2}, {2}};
  EXPECT_EQ(share_of_cores(overlapping, 0), 2);
  EXPECT_EQ(share_of_cores(overlapping, 1), 1);
}

TEST(CoreShare, DecidesWhetherACoreIsFree) {
  Topology topology;
  topology.threads = 2;
  EXPECT_TRUE(core_is_free(topology, 1));
  EXPECT_FALSE(core_is_free(topology, 2));
}

TEST(GpuMapping, FollowsTheLocalRankWhereAllAreSeen) {
  const Node node{{8, {"a", "b"}}, {9, {"a", "b"}}};
  EXPECT_EQ(choose_gpu(node, 0), 0);
  EXPECT_EQ(choose_gpu(node, 1), 1);
}

TEST(GpuMapping, IsTheFirstWhereEachRankSeesItsOwn) {
  const Node node{{0, {"a"}}, {1, {"b"}}, {2, {"c"}}};
  for (int rank = 0; rank < 3; ++rank) EXPECT_EQ(choose_gpu(node, rank), 0);
}

TEST(GpuMapping, TakesOneOfSeveralOwn) {
  const Node node{{0, {"a", "b"}}, {1, {"c", "d"}}};
  EXPECT_EQ(choose_gpu(node, 0), 0);
  EXPECT_EQ(choose_gpu(node, 1), 1);
}

TEST(GpuMapping, IsNothingWithoutGpus) { EXPECT_EQ(choose_gpu(Node{{0, {}}, {1, {}}}, 1), std::nullopt); }

TEST(GpuMapping, NamesBothRanksOfADoubledGpu) {
  const std::string wrapped = complaint_about({{4, {"a", "b"}}, {5, {"a", "b"}}, {6, {"a", "b"}}});
  EXPECT_NE(wrapped.find("rank 4"), std::string::npos) << wrapped;
  EXPECT_NE(wrapped.find("rank 6"), std::string::npos) << wrapped;
  EXPECT_NE(wrapped.find("GPU a"), std::string::npos) << wrapped;
  const std::string same = complaint_about({{0, {"a"}}, {1, {"a"}}});
  EXPECT_NE(same.find("would share"), std::string::npos) << same;
}

TEST(GpuMapping, NamesARankThatSeesNone) {
  const std::string complaint = complaint_about({{2, {"a"}}, {3, {}}});
  EXPECT_NE(complaint.find("rank 3 sees no GPU"), std::string::npos) << complaint;
}

}  // namespace
}  // namespace tutti::dist
