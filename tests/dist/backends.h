#pragma once
// The communicators that the tests run against.

#include <ATen/core/Tensor.h>

#include <string>

#include "dist/communicator.h"

namespace tutti::dist {

struct Place {
  Communicator communicator{};
  at::Device device = at::kCPU;  // where its tensors lie
  std::string missing{};         // what this machine lacks, for GTEST_SKIP; empty where all is there
};

// All ranks of the test joined by "serial", "mpi" or "nccl". Collective.
Place find_place(const std::string& backend);

}  // namespace tutti::dist
