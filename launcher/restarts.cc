#include "launcher/restarts.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "launcher/exit_codes.h"

namespace tutti {
namespace {

constexpr double kLongestBackoff = 60;  // seconds

// Of a shell's or mpirun's exit code: 128 + n for a process that signal n killed; else 0.
int signal_of(int code) { return code > 128 && code <= 128 + SIGRTMAX ? code - 128 : 0; }

}  // namespace

bool worth_a_restart(int code) {
  return code == kHungOrVanished || code == kNodeLost || signal_of(code) != 0;
}

double backoff_seconds(const RestartOptions& options, int restart) {
  return std::min(options.backoff * std::exp2(std::min(restart - 1, 20)),
                  std::max(kLongestBackoff, options.backoff));
}

std::string explain_code(int code) {
  if (code == kHungOrVanished) return "a rank hung or vanished (exit code 76)";
  if (code == kNodeLost) return "a node was lost (exit code 205 of mpirun)";
  if (const int signal = signal_of(code)) {
    return text("a process was killed by signal ", signal, " (", ::strsignal(signal), ")");
  }
  return text("the job ended with exit code ", code);
}

NextMove judge(const RestartOptions& options, int code, int restarts, bool stop_asked) {
  // Ranks that have not yet installed their handler, and mpirun itself, die of the signal that asks to stop.
  if (stop_asked && code == 128 + SIGUSR1) return {.code = kStoppedBySignal};
  if (worth_a_restart(code) && restarts < options.most) {
    return stop_asked ? NextMove{.code = kStoppedBySignal} : NextMove{.restart = true};
  }
  return {.code = code == kNodeLost ? kHungOrVanished : code};
}

}  // namespace tutti
