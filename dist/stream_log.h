#pragma once
// Private to dist: the collectives of one GPU communicator, which return before they are done.

#include <ATen/cuda/CUDAEvent.h>

#include <deque>
#include <mutex>

#include "dist/activity.h"

namespace tutti::dist {

// An event follows each collective on its stream; this rank waits in the oldest one whose event has not
// come, be it that other ranks are late or its own kernels before it. "Entered" is what the host enqueued.
class StreamLog final : public CollectiveLog {
 public:
  using CollectiveLog::CollectiveLog;

  // After the collective was put on the stream.
  void enqueued(const char* collective, const at::cuda::CUDAStream& stream);

  Moment moment() const override;

 private:
  struct UnderWay {
    std::int64_t number;
    const char* collective;
    at::cuda::CUDAEvent done;
  };
  void forget_done() const;

  mutable std::mutex mutex_;
  mutable std::deque<UnderWay> under_way_;
};

}  // namespace tutti::dist
