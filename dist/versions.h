#pragma once
// Which libraries of communication this process runs on.

#include <string>

namespace tutti::dist {

struct Versions {
  std::string mpi;           // what the library says of itself, one line
  std::string thread_level;  // "multiple", ...; empty where MPI is not running
  std::string started_by;    // "mpirun", "srun", or empty: without a launcher
  std::string nccl_built;    // "2.28.9": of the headers; empty in a CPU build
  std::string nccl_loaded;   // of the library that was found at run time
  int cuda_runtime = 0;      // 13000 is 13.0; 0 in a CPU build
  int cuda_driver = 0;       // the newest that the driver supports; 0 without a driver
};

// Throws Error when CUDA does not tell its versions.
Versions find_versions();

}  // namespace tutti::dist
