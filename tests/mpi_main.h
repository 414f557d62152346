#pragma once
// For tests that run under mpirun (tests/run_ranks.sh) and are linked with tests/mpi_main.cc.

#include "dist/communicator.h"

namespace tutti::tests {

// All ranks of the test job; serial when it was started without mpirun.
dist::Communicator world();

}  // namespace tutti::tests
