#pragma once
// The communicators that the tests run against.

#include <ATen/core/Tensor.h>

#include <string>

#include "dist/communicator.h"

namespace tutti::dist {

struct Place {
  Communicator communicator{};
  at::Device device = at::kCPU;  // where its tensors lie
  std::string no_gpu{};          // why NCCL has none, for GTEST_SKIP; empty where nothing is lacking
};

// All ranks of the test joined by "serial", "mpi" or "nccl". Collective.
Place find_place(const std::string& backend);

}  // namespace tutti::dist
