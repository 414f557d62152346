#pragma once
// Private to the doctor: its checks, and the rules that they judge by, as functions of plain values.

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dist/communicator.h"
#include "dist/topology.h"
#include "recipes/doctor.h"

namespace tutti::recipes {

// What a check has to work with.
struct Examination {
  const dist::Communicator& world;
  dist::Topology topology;
  dist::Communicator node;  // the ranks of this rank's node
  DoctorOptions options;
};

// Says that one rank found these on behalf of all.
inline Findings of_job(Findings findings) {
  for (auto& finding : findings) finding.of_job = true;
  return findings;
}

// doctor_machine.cc. Each is collective and returns what this rank found; the doctor says who found what.
Findings examine_mpi(const Examination& job);
Findings examine_libraries(const Examination& job);
Findings examine_processor(const Examination& job);
Findings examine_gpus(const Examination& job);
Findings examine_binding(const Examination& job);
Findings examine_limits(const Examination& job);

// doctor_files.cc
Findings examine_file_system(const Examination& job);

// doctor_speed.cc
Findings examine_clocks(const Examination& job);
Findings examine_all_reduce(const Examination& job);
Findings examine_shards(const Examination& job);

// Libraries that a process holds more than once, with their paths, from the text of /proc/self/maps: of MPI,
// NCCL, CUDA, LibTorch, HDF5 and OpenMP. Two copies have two states.
std::map<std::string, std::set<std::string>> doubled_libraries(std::string_view maps);

// CUDA's versions (13000 is 13.0; 0: none) of the driver and of tutti's build.
Findings judge_cuda(int driver, int runtime);

// The cores of a node's ranks, and how many of the node the job has.
Findings judge_binding(std::span<const std::vector<int>> cores, int node_cores);

// Seconds that each rank's clock is ahead of rank 0's.
Finding judge_clocks(std::span<const double> ahead);

// Bytes a second of an all-reduce of `ranks` ranks, and what memory or the network gives in the same run
// (0: not known).
Finding judge_all_reduce(double rate, double memory_rate, double network_rate, int ranks, bool several_nodes);

// Clips a second that the slowest and the fastest rank read.
Finding judge_shard_reading(double least, double most, std::int64_t record_bytes);

// Bytes and inodes free, of a file system of this type.
Findings judge_space(double free_bytes, double free_inodes, std::string_view type);

// The type of the file system of an absolute path ("ext4", "nfs4", "lustre"), from the text of
// /proc/self/mountinfo: that of the longest mount point that holds it. Empty where none does.
std::string file_system_type(std::string_view mountinfo, const std::filesystem::path& path);

}  // namespace tutti::recipes
