// tutti launch: starts the ranks of a job with mpirun, says which line is whose, passes signals down and the
// exit code up.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/fields.h"
#include "launcher/commands.h"
#include "launcher/rank_lines.h"

namespace tutti {
namespace {

struct LaunchOptions {
  int ranks = 1;
  int threads = 0;
  std::string bind = "auto";
  Strings mpirun_options;
  Strings command;
};

// A signal handler can reach nothing but a variable of the process.
std::atomic<pid_t> mpirun_process{0};

// mpirun forwards USR1 to the ranks at once; TERM it turns into a kill a second later. Either asks the
// ranks to save and stop.
void pass_on(int) {
  const pid_t process = mpirun_process;
  if (process > 0) ::kill(process, SIGUSR1);
}

// Ranks on cores of their own where each gets two or more; otherwise the communication and loader
// threads share the whole machine with the computation, and the kernel places them better than we.
Strings binding(const LaunchOptions& options, int cores_per_rank) {
  const bool core = options.bind == "core" || (options.bind == "auto" && cores_per_rank >= 2);
  if (!core) return {"--bind-to", "none"};
  return {"--bind-to", "core", "--map-by", text("slot:PE=", std::max(cores_per_rank, 1))};
}

Strings mpirun_command(const LaunchOptions& options) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const bool scheduled = std::getenv("SLURM_JOB_ID") != nullptr;  // then mpirun knows nodes and slots
  const int cores_per_rank = scheduled ? 1 : cores / options.ranks;
  Strings command = {"mpirun", "--tag-output", "-q", "-n", std::to_string(options.ranks)};
  const auto bind = binding(options, cores_per_rank);
  command.insert(command.end(), bind.begin(), bind.end());
  if (!scheduled && options.ranks > cores)
    command.insert(command.end(), {"--oversubscribe", "--mca", "mpi_yield_when_idle", "1"});
  if (::geteuid() == 0) command.emplace_back("--allow-run-as-root");
  if (options.threads > 0) command.insert(command.end(), {"-x", text("OMP_NUM_THREADS=", options.threads)});
  command.insert(command.end(), {"-x", text("TUTTI_TERMINAL=", ::isatty(STDERR_FILENO))});
  command.insert(command.end(), options.mpirun_options.begin(), options.mpirun_options.end());
  command.push_back(std::filesystem::read_symlink("/proc/self/exe").string());
  command.insert(command.end(), options.command.begin(), options.command.end());
  return command;
}

[[noreturn]] void become(const Strings& command, int out, int err) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // no ranks without a launcher
  ::setpgid(0, 0);                     // Ctrl-C is for the launcher, which asks the ranks to stop
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  std::fprintf(stderr, "tutti launch: cannot start mpirun (%s). Install Open MPI, or load its module.\n",
               std::strerror(errno));
  ::_exit(kFailed);
}

// Copies one of mpirun's streams until it ends.
void relay(int from, int to) {
  RankLines lines;
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::read(from, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    const auto out = lines.convert(std::string_view(buffer, static_cast<std::size_t>(count)));
    for (std::size_t done = 0; done < out.size();) {
      const ssize_t written = ::write(to, out.data() + done, out.size() - done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return;
      done += static_cast<std::size_t>(written);
    }
  }
}

int launch(const LaunchOptions& options) {
  const auto command = mpirun_command(options);
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) throw file_error("open", "pipe", errno);
  const pid_t process = ::fork();
  if (process < 0) throw file_error("start", "mpirun", errno);
  if (process == 0) become(command, out[1], err[1]);
  mpirun_process = process;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) std::signal(signal, pass_on);
  ::close(out[1]);
  ::close(err[1]);

  std::thread errors(relay, err[0], STDERR_FILENO);
  relay(out[0], STDOUT_FILENO);
  errors.join();
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

LaunchCommand launch_command(CLI::App& program) {
  auto* app = program.add_subcommand("launch", "Start ranks of another subcommand with mpirun");
  auto options = std::make_shared<LaunchOptions>();
  app->add_option("-n,--ranks", options->ranks, "How many processes; on GPUs, one for each")
      ->required()
      ->check(CLI::Range(1, 100000));
  app->add_option("--threads", options->threads,
                  "Compute threads of each rank (default: its share of the cores)")
      ->check(CLI::Range(1, 1024));
  app->add_option("--bind", options->bind,
                  "core: each rank on cores of its own; none; auto: core where each has two or more")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "core", "none"}));
  app->add_option("--mpirun", options->mpirun_options,
                  "An option for mpirun, as often as needed: --mpirun=--hostfile --mpirun=hosts")
      ->allow_extra_args(false);
  app->add_option("COMMAND", options->command, "What to run: -- train RECIPE --output RUN")->required();
  app->footer(
      "Each line of output begins with the rank that wrote it. TERM, USR1 and Ctrl-C ask the ranks to save "
      "a\n"
      "checkpoint and stop. The exit code is the ranks'. In a SLURM allocation mpirun takes its nodes from "
      "there.\n"
      "Example:\n  tutti launch -n 2 -- train recipes/gcin/rime.toml --output runs/rime");
  return {app, [options] { return launch(*options); }};
}

}  // namespace tutti
