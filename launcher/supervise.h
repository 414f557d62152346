#pragma once
// Runs mpirun and answers for its processes: passes its output and signals on, starts it again after a
// failure, and lets no process of it outlive the launcher's interest.

#include "base/fields.h"
#include "launcher/restarts.h"

namespace tutti {

// Runs the command until it ends for good and returns what the program should end with. SIGTERM, SIGUSR1
// and SIGINT reach mpirun as SIGUSR1, which it forwards to the ranks at once (SIGTERM it would turn into
// a kill); a second SIGINT ends the job at once. From here on the process has these signals and SIGCHLD
// blocked and adopts what its descendants leave behind, so it is for a process that does nothing else.
// Throws Error when pipes or processes are not to be had.
int supervise(const Strings& command, const RestartOptions& options);

}  // namespace tutti
