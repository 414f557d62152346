#pragma once
// Where the ranks run: nodes, cores, GPUs.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dist/communicator.h"

namespace tutti::dist {

struct Topology {
  int rank = 0;
  int size = 1;
  int local_rank = 0;              // among the ranks of this node
  int local_size = 1;              // ranks of this node
  int node = 0;                    // nodes are numbered by their lowest rank
  std::vector<std::string> hosts;  // host name of each node
  int cores = 1;                   // logical cores that this process may run on
  int threads = 1;                 // its fair share of them: how many threads it should use in all
};

// Collective.
Topology find_topology(const Communicator& world);

// Whether a communication thread would find a core to itself beside `compute_threads` busy threads. On a
// core that computes, overlapping makes a step slower, not faster.
bool core_is_free(const Topology& topology, int compute_threads);

// The cores that this process may run on.
std::vector<int> bound_cores();

// The share of local rank `local_rank`, at least 1, where cores[r] are the cores that rank r of this node
// is bound to: its own cores where the ranks are bound apart, an equal part where they may all run
// everywhere. Each core counts as 1/n when n ranks may run on it.
int share_of_cores(std::span<const std::vector<int>> cores, int local_rank);

// What one rank sees of its node's GPUs.
struct VisibleGpus {
  int rank = 0;                    // in the job
  std::vector<std::string> uuids;  // by device index
};

// The device index for one rank of a node: 0 where it sees a single GPU (srun --gpus-per-task, or a
// CUDA_VISIBLE_DEVICES of its own), else its local rank modulo the GPUs it sees. Nothing where no rank
// sees a GPU. Throws Error when two ranks would share one (they are named; NCCL refuses that), or when
// only some ranks see one.
std::optional<int> choose_gpu(std::span<const VisibleGpus> node, int local_rank);

// choose_gpu for this rank; every rank checks all nodes, so all ranks throw the same. Collective.
std::optional<int> find_gpu(const Communicator& world, const Topology& topology);

}  // namespace tutti::dist
