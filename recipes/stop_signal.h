#pragma once
// SIGUSR1, SIGTERM and SIGINT ask a run to stop: they set a flag, nothing more. The ranks agree on it at a
// step boundary, save, and leave (exit code 75). A second SIGINT ends the process at once.

#include <csignal>

namespace tutti::recipes {

class StopSignal {
 public:
  StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  ~StopSignal();

  bool raised() const;

 private:
  struct sigaction usr1_, term_, int_;
};

}  // namespace tutti::recipes
