#pragma once
// MPI's lifetime. One in main, before anything else of dist.

#include <functional>
#include <memory>
#include <string_view>

#include "dist/communicator.h"

namespace tutti::dist {

class Activity;
class Watchdog;

// What a job ends with when a rank hung or vanished.
inline constexpr int hang_code = 76;

class Environment {
 public:
  // Initialises MPI when a launcher (mpirun, srun with PMI) started this process, and stays serial
  // otherwise, so that a program without mpirun needs no working MPI. May take MPI's own arguments out
  // of argc and argv. Throws Error when MPI offers no MPI_THREAD_MULTIPLE, or when the launcher started
  // several processes that MPI does not connect (they would all be rank 0).
  // Under such a launcher this process ends with hang_code when the process that started it is gone; `say`
  // gets a line then, and one when set_hang_limit ends the job, on a thread of its own.
  Environment(int& argc, char**& argv, std::function<void(std::string_view)> say = {});
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // MPI_Finalize, after what Communicator::await_at_end named; or, while an exception unwinds the stack,
  // MPI_Abort: the other ranks would wait for this one for ever.
  ~Environment();

  // All ranks of the job. The same group whenever it is asked.
  Communicator world() const { return world_; }

  // From now on a rank may wait so many seconds in a collective (0, as at first: for ever). After that the
  // job ends with hang_code, and a line names the ranks that did not come to the collective, and where they
  // are. The limit must exceed what one rank does alone while the others wait, such as saving.
  void set_hang_limit(double seconds);

  // Ends the program on all ranks at once with this exit code: the last resort, for main alone.
  [[noreturn]] void abort(int code) const;

 private:
  bool owns_mpi_ = false;
  std::shared_ptr<Activity> activity_;
  std::unique_ptr<Watchdog> watchdog_;
  int exceptions_at_start_;
  Communicator world_;
};

// How many processes the launcher says it started: from the variables that mpirun, MPICH's hydra and srun
// set; 0 where there is no launcher that MPI can talk to. Throws Error when srun started several tasks
// without PMI. `variable(name)` is the environment's value, or null.
int launched_processes(const char* (*variable)(const char* name));

}  // namespace tutti::dist
