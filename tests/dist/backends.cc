#include "tests/dist/backends.h"

#include "base/error.h"
#include "dist/topology.h"
#include "tests/mpi_main.h"

namespace tutti::dist {
namespace {

Place connect_gpus() {
  const Communicator world = tests::world();
  try {
    const auto gpu = find_gpu(world, find_topology(world));
    if (!gpu) return {.missing = "no GPU, or no driver, or a CPU build"};
    const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(*gpu));
    return {.communicator = nccl(world, device), .device = device};
  } catch (const Error& error) {
    return {.missing = text("NCCL on ", world.size(), " ranks: ", error.what())};
  }
}

}  // namespace

Place find_place(const std::string& backend) {
  if (backend == "serial") return {};
  if (backend == "mpi") {
    const bool joined = tests::world().backend() == "mpi";
    return {.communicator = tests::world(),
            .missing = joined ? "" : "not started by mpirun (tests/run_ranks.sh)"};
  }
  // Once: connecting takes NCCL a second and memory.
  static const Place gpus = connect_gpus();
  return gpus;
}

}  // namespace tutti::dist
