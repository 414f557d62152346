#pragma once
// What a rank computes with: its device, its threads, and its ways to talk to the others.

#include <ATen/core/Tensor.h>

#include "base/log.h"
#include "dist/communicator.h"

namespace tutti::recipes {

struct Session {
  dist::Communicator world;  // tensors in host memory, over MPI
  dist::Communicator peers;  // tensors on `device`: NCCL on GPUs, else as world
  at::Device device = at::kCPU;
  int nodes = 1;
  int threads = 1;  // of computation, on this rank
};

// `device` is "auto", "cpu" or "cuda"; `threads` of computation, 0 for this rank's share of the cores.
// Sets the thread count of ATen and says what was chosen. Collective. Throws Error when a GPU is asked for
// and there is none, or when ranks share one.
Session open_session(const dist::Communicator& world, const std::string& device, std::int64_t threads,
                     const Log& log);

}  // namespace tutti::recipes
