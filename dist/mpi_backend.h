#pragma once
// Private to dist.

#include <mpi.h>

#include <memory>

#include "dist/activity.h"
#include "dist/communicator.h"

namespace tutti::dist {

// A duplicate of `original`, so that tutti's messages never meet another library's. It and what is made
// from it are known to `activity`. Collective.
Communicator mpi_communicator(MPI_Comm original, std::shared_ptr<Activity> activity);

}  // namespace tutti::dist
