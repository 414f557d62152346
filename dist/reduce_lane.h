#pragma once
// Private to dist: where the reductions of a GradientSync run beside the backward pass.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

namespace tutti::dist {

// Runs jobs one after another, in the order in which they were submitted.
class ReduceLane {
 public:
  using Job = std::function<void()>;

  ReduceLane() = default;
  ReduceLane(const ReduceLane&) = delete;
  ReduceLane& operator=(const ReduceLane&) = delete;
  virtual ~ReduceLane() = default;

  virtual void submit(Job job) = 0;

  // Afterwards the caller (on a GPU: what it enqueues) sees the results of all jobs. Rethrows the first
  // exception of a job; jobs after that one were not run.
  virtual void drain() = 0;
};

// Runs each job at once, in the caller.
std::unique_ptr<ReduceLane> inline_lane();

// Runs the jobs on a thread. Destruction drops the jobs that have not begun, and does not wait for one
// that has: it may be a collective that waits for a rank which will not come. A job must own what it uses.
std::unique_ptr<ReduceLane> thread_lane();

// Enqueues the jobs on a CUDA stream: each after what the submitter had enqueued by then. Throws Error in
// a CPU build.
std::unique_ptr<ReduceLane> stream_lane(at::Device device);

}  // namespace tutti::dist
