#pragma once
// Private to dist: a thread beside the computation that ends the process when waiting is hopeless.
//
// It looks twice a second whether this process waits in a collective for longer than the limit. If so it
// asks the watchdogs of the communicator's other ranks where these are, over a communicator that only
// watchdogs use and without ever waiting in MPI: they answer also while their rank computes or waits
// itself. Who is behind or does not answer is named, and the job ends with hang_code.
//
// It also looks whether the process that started this one (mpirun, a node's daemon) is still there: when
// that is killed, nobody would end the rank.

#include <mpi.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "dist/stall.h"

namespace tutti::dist {

class Watchdog {
 public:
  using Say = std::function<void(std::string_view message)>;

  // `own` joins all ranks of the job and is for the watchdogs alone. `say` is called from the thread, once,
  // right before the end.
  Watchdog(std::shared_ptr<Activity> activity, MPI_Comm own, Say say);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();  // ends the thread; does not communicate

  // How long this process may wait in a collective; 0, as at first: for ever.
  void set_limit(Seconds limit) { limit_ = limit.count(); }

 private:
  class Thread;
  std::atomic<double> limit_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tutti::dist
