// The CPU build's answers to what only CUDA can do.

#include "base/error.h"
#include "dist/cuda_devices.h"
#include "dist/reduce_lane.h"

namespace tutti::dist {

std::vector<std::string> visible_gpus() { return {}; }

void add_cuda_versions(Versions&) {}

std::unique_ptr<ReduceLane> stream_lane(at::Device device) {
  throw Error(text("gradients on ", device), "this is a CPU build of tutti");
}

}  // namespace tutti::dist
