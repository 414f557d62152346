#include "dist/reduce_lane.h"

#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace tutti::dist {
namespace {

class InlineLane final : public ReduceLane {
 public:
  void submit(Job job) override { job(); }
  void drain() override {}
};

// What the thread and its owner share; the thread keeps it alive when the owner is gone.
struct Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<ReduceLane::Job> jobs;
  bool running = false;
  bool stopping = false;
  std::exception_ptr error;
};

void work(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock(queue->mutex);
  for (;;) {
    queue->changed.wait(lock, [&] { return queue->stopping || !queue->jobs.empty(); });
    if (queue->jobs.empty()) return;
    ReduceLane::Job job = std::move(queue->jobs.front());
    queue->jobs.pop_front();
    queue->running = true;
    lock.unlock();
    std::exception_ptr error;
    try {
      job();
    } catch (...) {
      error = std::current_exception();
    }
    job = nullptr;  // frees what it owns before anyone is told
    lock.lock();
    queue->running = false;
    if (error) {
      queue->error = error;
      queue->jobs.clear();
    }
    queue->changed.notify_all();
  }
}

class ThreadLane final : public ReduceLane {
 public:
  ThreadLane() : queue_(std::make_shared<Queue>()) {
    // Signals are for the main thread, which acts on them at a step boundary.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::promise<void> end;
    end_ = end.get_future().share();
    thread_ = std::thread([queue = queue_, promise = std::move(end)]() mutable {
      promise.set_value_at_thread_exit();
      work(queue);
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread_.native_handle(), "tutti-reduce");
  }
  ~ThreadLane() override {
    std::unique_lock lock(queue_->mutex);
    queue_->stopping = true;
    const bool busy = queue_->running || !queue_->jobs.empty();
    lock.unlock();
    queue_->changed.notify_all();
    if (busy) {
      thread_.detach();
    } else {
      thread_.join();
    }
  }

  void submit(Job job) override {
    const std::scoped_lock lock(queue_->mutex);
    if (queue_->error) return;
    queue_->jobs.push_back(std::move(job));
    queue_->changed.notify_all();
  }

  void drain() override {
    std::unique_lock lock(queue_->mutex);
    queue_->changed.wait(lock, [&] { return queue_->jobs.empty() && !queue_->running; });
    if (const auto error = std::exchange(queue_->error, nullptr)) std::rethrow_exception(error);
  }

  std::shared_future<void> end() const override { return end_; }

 private:
  std::shared_ptr<Queue> queue_;
  std::thread thread_;
  std::shared_future<void> end_;
};

}  // namespace

std::unique_ptr<ReduceLane> inline_lane() { return std::make_unique<InlineLane>(); }

std::unique_ptr<ReduceLane> thread_lane() { return std::make_unique<ThreadLane>(); }

}  // namespace tutti::dist
