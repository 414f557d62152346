#include "data/loader.h"

#include <csignal>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "base/error.h"

namespace tutti::data {
namespace {

// Threads that start while it lives begin with all signals blocked.
class BlockSignals {
 public:
  BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

void check(const EpochPlan& plan, std::int64_t examples, const LoaderOptions& options) {
  const auto require = [](bool holds, const auto&... problem) {
    if (!holds) throw UsageError(text("the data cannot be loaded so"), text(problem...));
  };
  require(plan.batch >= 1, "batch is ", plan.batch, ", and must be at least 1");
  require(plan.frames >= 1, "frames is ", plan.frames, ", and must be at least 1");
  require(plan.ranks >= 1 && plan.rank >= 0 && plan.rank < plan.ranks, "rank ", plan.rank, " of ",
          plan.ranks);
  const std::int64_t all = steps(examples, plan.batch);
  require(plan.first_step >= 0 && plan.first_step <= all, "step ", plan.first_step, " of an epoch of ", all);
  require(options.threads >= 1, "threads is ", options.threads, ", and must be at least 1");
  require(options.prefetch >= 1, "prefetch is ", options.prefetch, ", and must be at least 1");
}

}  // namespace

Fields fields(LoaderOptions& options) {
  return {
      {.name = "threads",
       .target = &options.threads,
       .meaning = "threads of each rank that read data",
       .least = 1,
       .most = 256,
       .identifies_run = false},
      {.name = "prefetch",
       .target = &options.prefetch,
       .meaning = "batches of each rank that are ready or in the making",
       .least = 1,
       .most = 1024,
       .identifies_run = false},
  };
}

class Loader::Workers {
 public:
  Workers(const ShardSet& shards, const Sampler& sampler, const EpochPlan& plan, const LoaderOptions& options)
      : shards_(shards),
        sampler_(sampler),
        plan_(plan),
        end_(steps(sampler.size(), plan.batch)),
        claimed_(plan.first_step),
        delivered_(plan.first_step),
        slots_(static_cast<std::size_t>(options.prefetch)) {
    const BlockSignals blocked;
    for (std::int64_t i = 0; i < options.threads; ++i)
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }

  ~Workers() {
    for (std::jthread& thread : threads_) thread.request_stop();
  }

  std::optional<Batch> next() {
    std::unique_lock lock(mutex_);
    if (delivered_ == end_) return {};
    Slot& slot = this->slot(delivered_);
    ready_.wait(lock, [&] { return !std::holds_alternative<std::monostate>(slot); });
    if (const auto* error = std::get_if<std::exception_ptr>(&slot)) std::rethrow_exception(*error);
    std::optional<Batch> batch = std::get<Batch>(std::exchange(slot, std::monostate{}));
    ++delivered_;
    room_.notify_one();
    return batch;
  }

 private:
  using Slot = std::variant<std::monostate, Batch, std::exception_ptr>;

  Slot& slot(std::int64_t step) { return slots_[static_cast<std::size_t>(step) % slots_.size()]; }

  // Until the epoch ends: claims the next step as soon as there is room for it, and fills its slot.
  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto free = [&] { return claimed_ == end_ || claimed_ - delivered_ < std::ssize(slots_); };
      if (!room_.wait(lock, stop, free) || claimed_ == end_) return;
      const std::int64_t step = claimed_++;
      lock.unlock();
      Slot made;
      try {
        std::optional<Batch> batch = assemble(shards_, sampler_, plan_, step, stop);
        if (!batch) return;
        made = std::move(*batch);
      } catch (...) {
        made = std::current_exception();
      }
      lock.lock();
      slot(step) = std::move(made);
      ready_.notify_one();
    }
  }

  const ShardSet& shards_;
  const Sampler& sampler_;
  const EpochPlan plan_;
  const std::int64_t end_;

  std::mutex mutex_;
  std::condition_variable_any room_;
  std::condition_variable ready_;
  std::int64_t claimed_;
  std::int64_t delivered_;
  std::vector<Slot> slots_;

  std::vector<std::jthread> threads_;  // last: joined before the rest goes
};

Loader::Loader(const ShardSet& shards, const Sampler& sampler, const EpochPlan& plan,
               const LoaderOptions& options) {
  check(plan, sampler.size(), options);
  workers_ = std::make_unique<Workers>(shards, sampler, plan, options);
}

Loader::~Loader() = default;

std::optional<Batch> Loader::next() { return workers_->next(); }

}  // namespace tutti::data
