// tutti launch: the options, and what they mean to mpirun. supervise.cc runs it.

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/fields.h"
#include "launcher/commands.h"
#include "launcher/supervise.h"

namespace tutti {
namespace {

struct LaunchOptions {
  int ranks = 1;
  int threads = 0;
  std::string bind = "auto";
  Strings mpirun_options;
  Strings command;
  RestartOptions restarts;
};

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
  app->add_option("--max-restarts", options->restarts.most,
                  "Start again so often when a rank is killed, hangs or vanishes; training goes on from its "
                  "last checkpoint")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000000));
  app->add_option("--backoff", options->restarts.backoff,
                  "Seconds before the first restart; each later one waits twice as long, at most a minute")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  app->add_option("COMMAND", options->command, "What to run: -- train RECIPE --output RUN")->required();
  app->footer(
      "Each line of output begins with the rank that wrote it. TERM, USR1 and Ctrl-C ask the ranks to save "
      "a\n"
      "checkpoint and stop; a second Ctrl-C ends them at once. The exit code is the ranks': 76 where one "
      "hung or\n"
      "vanished, 128 + n where signal n killed one. These are what --max-restarts restarts after; a signal "
      "that\n"
      "comes before the restart ends with 75. In a SLURM allocation mpirun takes its nodes from there. "
      "Examples:\n"
      "  tutti launch -n 2 -- train recipes/gcin/rime.toml --output runs/rime\n"
      "  tutti launch -n 8 --max-restarts 5 -- train recipes/gcin/rime.toml --output runs/rime");
  return {app, [options] { return supervise(mpirun_command(*options), options->restarts); }};
}

}  // namespace tutti
