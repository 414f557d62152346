#include "dist/versions.h"

#include <mpi.h>

#include <cstdlib>

#include "dist/cuda_devices.h"

namespace tutti::dist {
namespace {

std::string thread_level() {
  int running = 0;
  MPI_Initialized(&running);
  if (!running) return "";
  int level = MPI_THREAD_SINGLE;
  MPI_Query_thread(&level);
  switch (level) {
    case MPI_THREAD_MULTIPLE:
      return "multiple";
    case MPI_THREAD_SERIALIZED:
      return "serialized";
    case MPI_THREAD_FUNNELED:
      return "funneled";
    default:
      return "single";
  }
}

// Open MPI's daemon gives its ranks this variable; srun's tasks have a step's id without it.
std::string started_by() {
  if (std::getenv("OMPI_MCA_ess_base_jobid")) return "mpirun";
  if (std::getenv("PMIX_RANK") || std::getenv("PMI_RANK"))
    return std::getenv("SLURM_STEP_ID") ? "srun" : "mpirun";
  return "";
}

}  // namespace

Versions find_versions() {
  Versions versions;
  char name[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(name, &length);
  versions.mpi = std::string(name, static_cast<std::size_t>(length));
  versions.mpi.resize(std::min(versions.mpi.find_first_of(",\n"), versions.mpi.size()));
  versions.thread_level = thread_level();
  versions.started_by = started_by();
  add_cuda_versions(versions);
  return versions;
}

}  // namespace tutti::dist
