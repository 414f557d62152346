#pragma once
// Private to dist.

#include <mpi.h>

#include "dist/communicator.h"

namespace tutti::dist {

// A duplicate of `original`, so that tutti's messages never meet another library's. Collective.
Communicator mpi_communicator(MPI_Comm original);

}  // namespace tutti::dist
