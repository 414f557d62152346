#pragma once
// MPI's lifetime. One in main, before anything else of dist.

#include "dist/communicator.h"

namespace tutti::dist {

class Environment {
 public:
  // Initialises MPI when a launcher (mpirun, srun with PMI) started this process, and stays serial
  // otherwise, so that a program without mpirun needs no working MPI. May take MPI's own arguments out
  // of argc and argv. Throws Error when MPI offers no MPI_THREAD_MULTIPLE, or when the launcher started
  // several processes that MPI does not connect (they would all be rank 0).
  Environment(int& argc, char**& argv);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // MPI_Finalize; or, while an exception unwinds the stack, MPI_Abort: the other ranks would wait for
  // this one for ever.
  ~Environment();

  // All ranks of the job. The same group whenever it is asked.
  Communicator world() const { return world_; }

  // Ends the program on all ranks at once with this exit code: the last resort, for main alone.
  [[noreturn]] void abort(int code) const;

 private:
  bool owns_mpi_ = false;
  int exceptions_at_start_;
  Communicator world_;
};

// How many processes the launcher says it started: from the variables that mpirun, MPICH's hydra and srun
// set; 0 where there is no launcher that MPI can talk to. Throws Error when srun started several tasks
// without PMI. `variable(name)` is the environment's value, or null.
int launched_processes(const char* (*variable)(const char* name));

}  // namespace tutti::dist
