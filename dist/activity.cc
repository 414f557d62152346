#include "dist/activity.h"

#include <utility>

namespace tutti::dist {

std::int64_t CollectiveLog::count(const char* collective, bool waits) {
  const std::int64_t number = state_.load(std::memory_order_relaxed) / 2 + 1;
  collective_.store(collective, std::memory_order_relaxed);
  state_.store(2 * number + (waits ? 1 : 0), std::memory_order_relaxed);
  return number;
}

// The name may be one collective ahead of the number. It is looked at when neither has changed for seconds.
Moment CollectiveLog::moment() const {
  const std::int64_t state = state_.load(std::memory_order_relaxed);
  return {.entered = state / 2,
          .waiting = state % 2 == 0 ? 0 : state / 2,
          .collective = collective_.load(std::memory_order_relaxed)};
}

CollectiveLog::Stay::Stay(CollectiveLog& log, const char* collective) : log_(log) {
  log_.count(collective, /*waits=*/true);
}

CollectiveLog::Stay::~Stay() {
  log_.state_.store(log_.state_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void Activity::add(const std::shared_ptr<CollectiveLog>& log) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(logs_, [](const auto& known) { return known.expired(); });
  logs_.push_back(log);
}

std::vector<std::shared_ptr<CollectiveLog>> Activity::logs() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<CollectiveLog>> result;
  for (const auto& known : logs_) {
    if (auto log = known.lock()) result.push_back(std::move(log));
  }
  return result;
}

void Activity::await_at_end(std::shared_future<void> done) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(ends_, [](const auto& end) {
    return end.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
  ends_.push_back(std::move(done));
}

bool Activity::wait(std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const auto ends = [&] {
    const std::scoped_lock lock(mutex_);
    return std::exchange(ends_, {});
  }();
  for (const auto& end : ends) {
    if (end.wait_until(deadline) != std::future_status::ready) return false;
  }
  return true;
}

}  // namespace tutti::dist
