#include "dist/environment.h"

#include <mpi.h>

#include <cstdlib>
#include <exception>
#include <initializer_list>

#include "base/error.h"
#include "dist/mpi_backend.h"
#include "dist/mpi_check.h"
#include "dist/watchdog.h"

namespace tutti::dist {
namespace {

const char* environment_variable(const char* name) { return std::getenv(name); }

// As mpirun's own exit code where one rank was aborted because of an exception.
constexpr int failure_code = 1;

// How long reductions that nobody waits for any more may take to end.
constexpr std::chrono::seconds end_limit(30);

}  // namespace

int launched_processes(const char* (*variable)(const char*)) {
  const auto count = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (const char* value = variable(name)) return std::atoi(value);
    }
    return 1;
  };
  if (variable("OMPI_COMM_WORLD_SIZE")) return count({"OMPI_COMM_WORLD_SIZE"});
  const bool pmi = variable("PMIX_RANK") || variable("PMI_RANK") || variable("PMI_FD");
  if (pmi) return count({"PMI_SIZE", "SLURM_STEP_NUM_TASKS"});
  // SLURM_PROCID alone means nothing: a batch script's own shell has it too. A step's tasks have this.
  const int tasks = variable("SLURM_PROCID") ? count({"SLURM_STEP_NUM_TASKS"}) : 1;
  if (tasks > 1) {
    throw Error(text("srun started ", tasks, " tasks that cannot find each other"),
                "none of PMIX_RANK and PMI_RANK is set",
                "Use srun --mpi=pmix (srun --mpi=list shows what there is)");
  }
  return 0;
}

Environment::Environment(int& argc, char**& argv, std::function<void(std::string_view)> say)
    : exceptions_at_start_(std::uncaught_exceptions()) {
  const int processes = launched_processes(environment_variable);
  if (processes == 0) return;
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  // Before anything is duplicated: duplicates inherit the handler, and with the default one every check
  // of a code would be dead.
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();  // every rank has the same library, so all come here
    throw Error(text("this MPI offers thread level ", provided, ", not MPI_THREAD_MULTIPLE"),
                "gradients are summed by a thread of their own",
                "Use an MPI that was built with thread support");
  }
  if (size == 1 && processes > 1) {
    MPI_Finalize();
    throw Error(text("the launcher started ", processes, " processes, but MPI connects ", size),
                "mpirun or srun belongs to another MPI than the one tutti was built with",
                "Use the mpirun beside that MPI's libraries, or srun --mpi=pmix");
  }
  owns_mpi_ = true;
  activity_ = std::make_shared<Activity>();
  world_ = mpi_communicator(MPI_COMM_WORLD, activity_);
  MPI_Comm own = MPI_COMM_NULL;
  check(MPI_Comm_dup(MPI_COMM_WORLD, &own), "MPI_Comm_dup");
  if (!say) say = [](std::string_view) {};
  watchdog_ = std::make_unique<Watchdog>(activity_, own, std::move(say));
}

Environment::~Environment() {
  if (!owns_mpi_) return;
  const bool unwinding = std::uncaught_exceptions() > exceptions_at_start_;
  // A thread that is still in a collective then waits for a rank that will not come to it.
  if (unwinding || !activity_->wait(end_limit)) MPI_Abort(MPI_COMM_WORLD, failure_code);
  watchdog_.reset();
  MPI_Finalize();
}

void Environment::set_hang_limit(double seconds) {
  if (watchdog_) watchdog_->set_limit(Seconds(seconds));
}

void Environment::abort(int code) const {
  if (owns_mpi_) MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

}  // namespace tutti::dist
