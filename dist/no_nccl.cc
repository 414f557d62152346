// The CPU build's answer to nccl().

#include "base/error.h"
#include "dist/communicator.h"

namespace tutti::dist {

Communicator nccl(const Communicator&, at::Device device) {
  throw Error(text("no NCCL communicator for ", device), "this is a CPU build of tutti",
              "Build where CUDA and NCCL are installed (cmake --preset release), or compute on the CPU");
}

}  // namespace tutti::dist
