#include "recipes/stop_signal.h"

#include <atomic>

namespace tutti::recipes {
namespace {

// A signal handler can reach nothing but a variable of the process.
std::atomic<bool> stop_asked{false};

void ask_to_stop(int) { stop_asked.store(true); }

void handle(int signal, int flags, struct sigaction* previous) {
  struct sigaction action {};
  action.sa_handler = ask_to_stop;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, previous);
}

}  // namespace

StopSignal::StopSignal() {
  stop_asked = false;
  handle(SIGUSR1, SA_RESTART, &usr1_);
  handle(SIGTERM, SA_RESTART, &term_);
  handle(SIGINT, SA_RESTART | static_cast<int>(SA_RESETHAND), &int_);
}

StopSignal::~StopSignal() {
  sigaction(SIGUSR1, &usr1_, nullptr);
  sigaction(SIGTERM, &term_, nullptr);
  sigaction(SIGINT, &int_, nullptr);
}

bool StopSignal::raised() const { return stop_asked; }

}  // namespace tutti::recipes
