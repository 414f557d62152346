#pragma once
// When a job that ended is started again, and how long to wait before.

#include <string>

namespace tutti {

struct RestartOptions {
  int most = 0;        // restarts, over the whole life of the launcher
  double backoff = 1;  // seconds before the first one; each later one waits twice as long, at most a minute
};

// What mpirun ends with where it lost the connection to a node (Open MPI's ORTE_ERR_COMM_FAILURE).
inline constexpr int kNodeLost = 205;

// Whether the same job may end well when it is started again: a rank hung or vanished (76), a node was
// lost, or a process was killed by a signal (128 + n). Not after what would fail again (1, 2), after
// what is done (0), or after what was asked for (75).
bool worth_a_restart(int code);

// Seconds to wait before restart number `restart`, from 1.
double backoff_seconds(const RestartOptions& options, int restart);

// What became of the job: "a process was killed by signal 9 (Killed)", for instance.
std::string explain_code(int code);

// What the launcher does next: start again, or end with `code`.
struct NextMove {
  bool restart = false;
  int code = 0;
};

// `code` is the job's, after `restarts` of them; `stop_asked` is whether a signal asked the launcher to
// stop. A job that a signal kept from being started again, or that it met before training began, can go
// on later just as one that was stopped with a checkpoint: 75 says so to a batch script.
NextMove judge(const RestartOptions& options, int code, int restarts, bool stop_asked);

}  // namespace tutti
