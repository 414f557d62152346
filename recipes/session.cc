#include "recipes/session.h"

#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "dist/topology.h"

namespace tutti::recipes {
namespace {

// OMP_NUM_THREADS, which `tutti launch --threads` and batch scripts set; 0 where it says nothing.
int threads_from_environment() {
  const char* value = std::getenv("OMP_NUM_THREADS");
  return value ? std::max(std::atoi(value), 0) : 0;
}

}  // namespace

Session open_session(const dist::Communicator& world, const std::string& device, std::int64_t threads,
                     const Log& log) {
  const auto topology = dist::find_topology(world);
  Session session{world, world, at::kCPU};

  int compute_threads = static_cast<int>(threads);
  if (compute_threads == 0) compute_threads = threads_from_environment();
  if (compute_threads == 0) compute_threads = topology.threads;
  at::set_num_threads(compute_threads);
  session.threads = compute_threads;
  session.nodes = static_cast<int>(topology.hosts.size());

  const auto gpu = device == "cpu" ? std::nullopt : dist::find_gpu(world, topology);
  if (device == "cuda" && !gpu) {
    throw Error("train.device = \"cuda\", but no GPU is visible",
                "no driver, no device, or a CPU build of tutti", "`nvidia-smi` shows what the driver sees.");
  }
  if (gpu) {
    session.device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(*gpu));
    c10::impl::VirtualGuardImpl(at::kCUDA).setDevice(session.device);
    session.peers = world.size() > 1 ? dist::nccl(world, session.device) : world;
  }
  log.info(topology.size, topology.size == 1 ? " rank on " : " ranks on ", topology.hosts.size(),
           topology.hosts.size() == 1 ? " node; " : " nodes; ", compute_threads, " of ", topology.cores,
           topology.cores == 1 ? " core; " : " cores; ", "device ", session.device.str(), ", ",
           session.peers.backend());
  return session;
}

}  // namespace tutti::recipes
