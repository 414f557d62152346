#include "dist/stream_log.h"

#include <c10/util/Exception.h>

#include <utility>

namespace tutti::dist {

void StreamLog::enqueued(const char* collective, const at::cuda::CUDAStream& stream) {
  at::cuda::CUDAEvent done;
  done.record(stream);
  const std::scoped_lock lock(mutex_);
  forget_done();
  under_way_.push_back({count(collective, /*waits=*/false), collective, std::move(done)});
}

Moment StreamLog::moment() const {
  const std::scoped_lock lock(mutex_);
  forget_done();
  Moment now = CollectiveLog::moment();
  if (!under_way_.empty()) {
    now.waiting = under_way_.front().number;
    now.collective = under_way_.front().collective;
  }
  return now;
}

void StreamLog::forget_done() const {
  try {
    while (!under_way_.empty() && under_way_.front().done.query()) under_way_.pop_front();
  } catch (const c10::Error&) {
    under_way_.clear();  // the device has failed; the computation meets that error itself
  }
}

}  // namespace tutti::dist
