#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "dist/reduce_lane.h"

namespace tutti::dist {
namespace {

class StreamLane final : public ReduceLane {
 public:
  // High priority: a reduction that waits for compute kernels to drain is not hidden.
  explicit StreamLane(at::Device device)
      : device_(device), stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index())) {}

  void submit(Job job) override {
    at::cuda::CUDAEvent ready;
    ready.record(c10::cuda::getCurrentCUDAStream(device_.index()));
    ready.block(stream_);
    const c10::cuda::CUDAStreamGuard guard(stream_);
    job();
  }

  void drain() override {
    at::cuda::CUDAEvent done;
    done.record(stream_);
    done.block(c10::cuda::getCurrentCUDAStream(device_.index()));
  }

 private:
  at::Device device_;
  c10::cuda::CUDAStream stream_;
};

}  // namespace

std::unique_ptr<ReduceLane> stream_lane(at::Device device) { return std::make_unique<StreamLane>(device); }

}  // namespace tutti::dist
