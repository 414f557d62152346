#pragma once
// Private to dist: where the reductions of a GradientSync run beside the backward pass.

#include <ATen/core/Tensor.h>

#include <functional>
#include <future>
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

  // When no job of this lane will run any more; not valid for a lane without a thread.
  virtual std::shared_future<void> end() const { return {}; }
};

// Runs each job at once, in the caller.
std::unique_ptr<ReduceLane> inline_lane();

// Runs the jobs on a thread. Destruction does not wait for those that are left: they may be collectives
// that wait for a rank which will not come. It does not drop them either, because the ranks would not agree
// on which; the thread runs them and ends. A job must own what it uses.
std::unique_ptr<ReduceLane> thread_lane();

// Enqueues the jobs on a CUDA stream: each after what the submitter had enqueued by then. Throws Error in
// a CPU build.
std::unique_ptr<ReduceLane> stream_lane(at::Device device);

}  // namespace tutti::dist
