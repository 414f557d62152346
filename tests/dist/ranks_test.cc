// The part of topology that needs ranks.

#include <gtest/gtest.h>

#include <set>

#include "dist/topology.h"
#include "tests/mpi_main.h"

namespace tutti::dist {
namespace {

TEST(Ranks, OfOneMachineAreOneNode) {
  const Communicator world = tests::world();
  const Topology topology = find_topology(world);
  EXPECT_EQ(topology.rank, world.rank());
  EXPECT_EQ(topology.size, world.size());
  EXPECT_EQ(topology.local_rank, world.rank());
  EXPECT_EQ(topology.local_size, world.size());
  EXPECT_EQ(topology.node, 0);
  ASSERT_EQ(topology.hosts.size(), 1U);
  EXPECT_FALSE(topology.hosts[0].empty());
  EXPECT_GE(topology.cores, 1);
  EXPECT_GE(topology.threads, 1);
  EXPECT_LE(topology.threads, topology.cores);
}

TEST(Ranks, ShareTheCores) {
  const Communicator world = tests::world();
  const Topology topology = find_topology(world);
  // tests/run_ranks.sh does not bind.
  EXPECT_EQ(topology.threads, std::max(1, topology.cores / topology.local_size));
}

}  // namespace
}  // namespace tutti::dist
