// The rules that tutti doctor judges by.
#include <gtest/gtest.h>

#include <cmath>

#include "recipes/doctor_checks.h"

namespace tutti::recipes {
namespace {

Verdict worst(const Findings& findings) {
  Verdict worst = Verdict::good;
  for (const auto& finding : findings) worst = std::max(worst, finding.verdict);
  return worst;
}

TEST(Doctor, FindsLibrariesThatAreLoadedTwice) {
  const auto line = [](const std::string& path) {
    return "7f0000000000-7f0000001000 r-xp 00000000 08:01 42                 " + path + "\n";
  };
  const auto twice = line("/opt/torch/lib/libnccl.so.2") + line("/usr/lib/libnccl.so.2.27.5") +
                     line("/usr/lib/libnccl.so.2.27.5") + line("/usr/lib/libmpi.so.40.30.4") +
                     line("/opt/torch/lib/libgomp-a34b3233.so.1") + line("/usr/lib/libiomp5.so") +
                     line("/usr/lib/libmpi_cxx.so.40") + line("/usr/lib/libc10_cuda.so") + line("[heap]");
  const auto doubles = doubled_libraries(twice);
  ASSERT_EQ(doubles.size(), 2U);
  EXPECT_EQ(doubles.at("libnccl"),
            (std::set<std::string>{"/opt/torch/lib/libnccl.so.2", "/usr/lib/libnccl.so.2.27.5"}));
  EXPECT_EQ(doubles.at("OpenMP runtime").size(), 2U);
  EXPECT_TRUE(doubled_libraries(line("/usr/lib/libmpi.so.40") + line("/usr/lib/libmpi.so.40")).empty());
}

TEST(Doctor, JudgesHowRanksAreBound) {
  const std::vector<int> all = {0, 1, 2, 3, 4, 5, 6, 7};
  const auto judge = [](const std::vector<std::vector<int>>& cores) { return judge_binding(cores, 8); };
  EXPECT_EQ(worst(judge({all, all})), Verdict::good);
  EXPECT_EQ(worst(judge({{0, 1, 2, 3}, {4, 5, 6, 7}})), Verdict::good);

  const auto narrow = judge({{0}, {1}});  // mpirun's own way with two ranks
  EXPECT_EQ(worst(narrow), Verdict::warning);
  EXPECT_NE(narrow[1].what.find("bound to 1 of 8 cores"), std::string::npos) << narrow[1].what;

  const auto same = judge({{0, 1, 2, 3}, {0, 1, 2, 3}});  // both launchers bound to the first socket
  EXPECT_EQ(worst(same), Verdict::warning);
  EXPECT_NE(same.back().what.find("same cores"), std::string::npos) << same.back().what;

  EXPECT_EQ(worst(judge(std::vector(9, all))), Verdict::warning);
}

TEST(Doctor, JudgesClocks) {
  EXPECT_EQ(judge_clocks(std::vector{0.0, 0.02, -0.4}).verdict, Verdict::good);
  const auto behind = judge_clocks(std::vector{0.0, 0.1, -31.25});
  EXPECT_EQ(behind.verdict, Verdict::warning);
  EXPECT_NE(behind.what.find("rank 2's clock is -31.3 s ahead"), std::string::npos) << behind.what;
}

TEST(Doctor, JudgesAllReduceByWhatMemoryOrTheNetworkGive) {
  EXPECT_EQ(judge_all_reduce(4e9, 9e9, 0, 2, false).verdict, Verdict::good);
  EXPECT_EQ(judge_all_reduce(0.2e9, 9e9, 0, 2, false).verdict, Verdict::warning);
  EXPECT_EQ(judge_all_reduce(0.1e9, 9e9, 12.5e9, 16, true).verdict,
            Verdict::warning);  // 100 Gb/s, by the wrong card
  EXPECT_EQ(judge_all_reduce(0.1e9, 9e9, 0.125e9, 16, true).verdict, Verdict::good);
  EXPECT_EQ(judge_all_reduce(0.001e9, 0, 0, 16, true).verdict, Verdict::good);  // nothing to compare with
}

TEST(Doctor, JudgesShardReading) {
  EXPECT_EQ(judge_shard_reading(9000, 12000, 262144).verdict, Verdict::good);
  EXPECT_EQ(judge_shard_reading(100, 12000, 262144).verdict, Verdict::warning);
}

TEST(Doctor, JudgesCuda) {
  EXPECT_TRUE(judge_cuda(0, 13000).empty()) << "no driver: no GPU to use";
  EXPECT_TRUE(judge_cuda(13000, 13000).empty());
  EXPECT_TRUE(judge_cuda(13010, 13000).empty());
  EXPECT_EQ(worst(judge_cuda(13000, 13010)), Verdict::note);
  EXPECT_EQ(worst(judge_cuda(12080, 13000)), Verdict::failure);
}

TEST(Doctor, JudgesSpace) {
  EXPECT_EQ(worst(judge_space(100e9, HUGE_VAL, "ext4")), Verdict::good);
  EXPECT_EQ(worst(judge_space(5e9, 1e6, "nfs4")), Verdict::warning);
  EXPECT_EQ(worst(judge_space(100e9, 1e6, "tmpfs")), Verdict::warning);
  EXPECT_EQ(worst(judge_space(1e6, 1e6, "ext4")), Verdict::failure);
  EXPECT_EQ(worst(judge_space(100e9, 3, "ext4")), Verdict::failure);
}

TEST(Doctor, KnowsTheFileSystemOfAPath) {
  const std::string mountinfo =
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "30 22 0:40 / /shared rw - nfs4 server:/shared rw,vers=4.2\n"
      "31 30 0:41 /sub /shared/scratch rw master:3 - lustre mgs:/scratch rw,flock\n";
  EXPECT_EQ(file_system_type(mountinfo, "/shared/scratch/runs"), "lustre");
  EXPECT_EQ(file_system_type(mountinfo, "/shared/scratched"), "nfs4");
  EXPECT_EQ(file_system_type(mountinfo, "/shareddata"), "ext4");
  EXPECT_EQ(file_system_type("", "/shared"), "");
}

}  // namespace
}  // namespace tutti::recipes
