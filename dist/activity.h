#pragma once
// Private to dist: what the collectives of this process are doing, for its watchdog to see.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tutti::dist {

// One communicator at one moment. Collectives are numbered from 1; because all ranks call them in the same
// order, a number means the same one everywhere.
struct Moment {
  std::int64_t entered = 0;     // how many this rank has come to
  std::int64_t waiting = 0;     // the number of the one that it waits in; 0: none
  const char* collective = "";  // the name of that one, or of the last
};

// The collectives of one communicator, counted by whoever calls them, read by any thread.
class CollectiveLog {
 public:
  // `id` and `name` are the same on all ranks of the communicator; `ranks` are their numbers in the job.
  CollectiveLog(std::uint64_t id, std::string name, std::vector<int> ranks)
      : id_(id), name_(std::move(name)), ranks_(std::move(ranks)) {}
  CollectiveLog(const CollectiveLog&) = delete;
  CollectiveLog& operator=(const CollectiveLog&) = delete;
  virtual ~CollectiveLog() = default;

  std::uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }
  const std::vector<int>& ranks() const { return ranks_; }
  virtual Moment moment() const;

  // From here to the end of its life the caller waits in a collective. Costs three stores.
  class Stay {
   public:
    Stay(CollectiveLog& log, const char* collective);
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;
    ~Stay();

   private:
    CollectiveLog& log_;
  };

 protected:
  std::int64_t count(const char* collective, bool waits);

 private:
  std::uint64_t id_;
  std::string name_;
  std::vector<int> ranks_;
  // Only one thread at a time calls the collectives of a communicator.
  std::atomic<std::int64_t> state_{0};  // twice the number, plus 1 while waiting
  std::atomic<const char*> collective_{""};
};

// All communicators of the process, and the threads that are still in one of theirs.
class Activity {
 public:
  // Until its last owner lets go of it, the log is looked at.
  void add(const std::shared_ptr<CollectiveLog>& log);
  std::vector<std::shared_ptr<CollectiveLog>> logs();

  // MPI must not end before this.
  void await_at_end(std::shared_future<void> done);

  // Whether all of these were done within the limit.
  bool wait(std::chrono::seconds limit);

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<CollectiveLog>> logs_;
  std::vector<std::shared_future<void>> ends_;
};

}  // namespace tutti::dist
