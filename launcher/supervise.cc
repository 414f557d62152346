#include "launcher/supervise.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <iostream>
#include <optional>

#include "base/error.h"
#include "launcher/children.h"
#include "launcher/exit_codes.h"
#include "launcher/rank_lines.h"

namespace tutti {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// The signals that the launcher answers. Blocked in all its threads; the main thread takes them one by one.
class Attention {
 public:
  Attention() {
    std::signal(SIGCHLD, SIG_DFL);  // a parent may have us ignore it, and then there is no exit code
    std::signal(SIGPIPE, SIG_IGN);  // where nobody reads the job's output, the job goes on
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGCHLD}) sigaddset(&signals_, signal);
    ::sigprocmask(SIG_BLOCK, &signals_, &before_);
  }

  // The next of the signals; nothing when none came in time.
  std::optional<int> wait(std::optional<Seconds> limit = std::nullopt) const {
    const auto deadline =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(limit.value_or(Seconds(0)));
    for (;;) {
      timespec left{};
      if (limit) {
        const double seconds = std::max(0.0, Seconds(deadline - Clock::now()).count());
        left.tv_sec = static_cast<time_t>(seconds);
        left.tv_nsec = static_cast<long>(1e9 * (seconds - std::floor(seconds)));
      }
      const int signal = ::sigtimedwait(&signals_, nullptr, limit ? &left : nullptr);
      if (signal > 0) return signal;
      if (errno == EAGAIN) return std::nullopt;
    }
  }

  // In a child, before it becomes another program.
  void undo() const {
    std::signal(SIGPIPE, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t signals_, before_;
};

struct Pipe {
  int read_end, write_end;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw file_error("open", "pipe", errno);
  return {ends[0], ends[1]};
}

// Left to whoever knows better: what the environment says already stays.
void set_mpirun_defaults() {
  // When a rank is dead the others need no second of grace: checkpoints appear whole or not at all.
  ::setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", /*replace=*/0);
  // A node that no longer answers is given up after 10 + 4 x 5 s; by default mpirun waits for ever.
  ::setenv("OMPI_MCA_oob_tcp_keepalive_time", "10", 0);
  ::setenv("OMPI_MCA_oob_tcp_keepalive_intvl", "5", 0);
  ::setenv("OMPI_MCA_oob_tcp_keepalive_probes", "4", 0);
}

[[noreturn]] void become(const Strings& command, int out, int err, pid_t launcher,
                         const Attention& attention) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // mpirun then ends its ranks, here and on other nodes, and tidies up
  if (::getppid() != launcher) ::_exit(kFailed);
  ::setpgid(0, 0);  // Ctrl-C is for the launcher, which asks the ranks to stop
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  set_mpirun_defaults();
  attention.undo();
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  std::fprintf(stderr, "tutti launch: cannot start %s (%s). Install Open MPI, or load its module.\n",
               arguments[0], std::strerror(errno));
  ::_exit(kFailed);
}

// Copies one of mpirun's streams until it ends. Whether anything came.
bool relay(int from, int to) {
  bool heard = false;
  RankLines lines;
  char buffer[4096];
  bool writable = true;
  for (;;) {
    const ssize_t count = ::read(from, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    heard = true;
    const auto out = lines.convert(std::string_view(buffer, static_cast<std::size_t>(count)));
    for (std::size_t done = 0; writable && done < out.size();) {
      const ssize_t written = ::write(to, out.data() + done, out.size() - done);
      if (written < 0 && errno == EINTR) continue;
      writable = written >= 0;  // where nobody reads, this goes on: mpirun must not block
      if (writable) done += static_cast<std::size_t>(written);
    }
  }
  ::close(from);
  return heard;
}

// What the launcher itself says, in one write.
void say(std::string_view message) { std::cerr << text("tutti launch: ", message, '\n') << std::flush; }

struct Ending {
  int code = 0;
  bool stop_asked = false;
};

// Until mpirun has ended; what else has ended on the way was left to the launcher by mpirun.
Ending attend(pid_t mpirun, const Attention& attention) {
  Ending ending;
  int interrupts = 0;
  for (;;) {
    // Said again: mpirun loses what it is told before its ranks run.
    const auto came = ending.stop_asked ? attention.wait(Seconds(2)) : attention.wait();
    if (!came) {
      ::kill(mpirun, SIGUSR1);
      continue;
    }
    const int signal = *came;
    if (signal != SIGCHLD) {
      ending.stop_asked = true;
      interrupts += signal == SIGINT;
      ::kill(mpirun, interrupts > 1 ? SIGTERM : SIGUSR1);
      continue;
    }
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended != mpirun) continue;
      ending.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (interrupts > 1) ending.code = 128 + SIGINT;
      return ending;
    }
  }
}

Ending run_once(const Strings& command, const Attention& attention) {
  const Pipe out = make_pipe(), err = make_pipe();
  const pid_t launcher = ::getpid();
  const pid_t mpirun = ::fork();
  if (mpirun < 0) throw file_error("start", "mpirun", errno);
  if (mpirun == 0) become(command, out.write_end, err.write_end, launcher, attention);
  ::close(out.write_end);
  ::close(err.write_end);
  auto output = std::async(std::launch::async, relay, out.read_end, STDOUT_FILENO);
  auto errors = std::async(std::launch::async, relay, err.read_end, STDERR_FILENO);
  Ending ending = attend(mpirun, attention);
  // Where mpirun itself was killed. They would go on writing beside the ranks of the next start.
  const int left = end_children(std::chrono::seconds(10));
  if (left > 0)
    say(text(left, " processes of the job cannot be killed: they wait for a file system or a device"));
  const bool said_something = output.get() | errors.get();
  // mpirun that was stopped while it waited for a node that does not answer returns 0, and nothing has run.
  if (ending.stop_asked && ending.code == 0 && !said_something) ending.code = kStoppedBySignal;
  return ending;
}

// Whether nobody asked to stop meanwhile.
bool wait_undisturbed(double seconds, const Attention& attention) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
  for (;;) {
    const auto signal = attention.wait(Seconds(end - Clock::now()));
    if (!signal) return true;
    if (*signal != SIGCHLD) return false;
  }
}

}  // namespace

int supervise(const Strings& command, const RestartOptions& options) {
  const Attention attention;
  adopt_orphans();
  for (int restarts = 0;; ++restarts) {
    const Ending ending = run_once(command, attention);
    const NextMove verdict = judge(options, ending.code, restarts, ending.stop_asked);
    const std::string reason = explain_code(ending.code);
    if (!verdict.restart) {
      if (options.most > 0 && worth_a_restart(ending.code)) {
        say(ending.stop_asked ? text(reason, ", and a signal asked to stop: start again to go on")
                              : text(reason, "; restarted ", restarts, " times, that was the last"));
      }
      return verdict.code;
    }
    const double seconds = backoff_seconds(options, restarts + 1);
    say(text(reason, ": restart ", restarts + 1, " of ", options.most, " in ", seconds, " s"));
    if (!wait_undisturbed(seconds, attention)) {
      say("stopped by a signal before the restart: start again to go on");
      return kStoppedBySignal;
    }
  }
}

}  // namespace tutti
