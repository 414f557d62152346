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
    if (!gpu) return {.no_gpu = "none here, or no driver, or a CPU build"};
    const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(*gpu));
    return {.communicator = nccl(world, device), .device = device};
  } catch (const Error& error) {
    return {.no_gpu = text("NCCL on ", world.size(), " ranks: ", error.what())};
  }
}

}  // namespace

Place find_place(const std::string& backend) {
  if (backend == "serial") return {};
  if (backend == "mpi") return {.communicator = tests::world()};
  // Once: connecting takes NCCL a second and memory.
  static const Place gpus = connect_gpus();
  return gpus;
}

}  // namespace tutti::dist
