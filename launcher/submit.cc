// tutti submit: checks a recipe, and hands slurm/train.sbatch to sbatch with what the user asked for.

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "data/shard_set.h"
#include "launcher/commands.h"
#include "launcher/sbatch.h"
#include "recipes/resolve.h"

namespace tutti {
namespace {
namespace fs = std::filesystem;

struct Options {
  SubmitOptions job;
  std::string recipe, scripts;
  Strings assignments;
  bool dry_run = false;
};

// Where the batch scripts are: those that the user copied and changed come before the program's own, which
// lie in the source tree above build/, or under share/ beside bin/.
fs::path find_scripts(const std::string& asked) {
  const auto holds_scripts = [](const fs::path& folder) { return fs::exists(folder / kTrainScript); };
  if (!asked.empty()) {
    if (!holds_scripts(asked)) throw UsageError(text("'", asked, "' holds no ", kTrainScript));
    return fs::absolute(asked);
  }
  if (holds_scripts("slurm")) return fs::absolute("slurm");
  constexpr int levels = 4;  // SOURCE/build/PRESET/tutti
  auto above = fs::read_symlink("/proc/self/exe").parent_path();
  for (int level = 0; level < levels; ++level, above = above.parent_path()) {
    for (const auto& folder : {above / "slurm", above / "share" / "tutti" / "slurm"}) {
      if (holds_scripts(folder)) return folder;
    }
  }
  throw Error(text("there is no slurm/", kTrainScript, " here or near the program"), "",
              "Name the folder of the batch scripts with --scripts.");
}

// What would end the job as soon as it starts is said now. Shards that only compute nodes see are left to
// them.
void check(const Options& options) {
  const auto recipe = recipes::read_recipe(options.recipe, options.assignments);
  recipes::check_ranks(recipe, options.job.nodes * ranks_per_node(options.job));
  if (!fs::exists(recipe.data.shards)) {
    std::cerr << "tutti submit: warning: the shards '" << recipe.data.shards
              << "' cannot be seen from here; they are not checked\n";
    return;
  }
  recipes::resolve_run(options.job.output, recipe, data::ShardSet::open(recipe.data.shards), at::kCPU, {});
}

void print_dry_run(const Strings& environment, const Strings& command, const fs::path& script) {
  for (const auto& assignment : environment) {
    const auto value = assignment.find('=') + 1;
    std::cout << assignment.substr(0, value) << quoted(assignment.substr(value)) << " \\\n";
  }
  for (std::size_t i = 0; i < command.size(); ++i)
    std::cout << quoted(command[i]) << (i + 1 < command.size() ? " " : "\n");
  std::cout << "\n# " << script.string() << ":\n" << read_file(script);
}

// Runs sbatch; returns what it printed, "JOB" or "JOB;CLUSTER".
std::string run_sbatch(const Strings& environment, const Strings& command) {
  for (const auto& assignment : environment) {
    const auto equals = assignment.find('=');
    ::setenv(assignment.substr(0, equals).c_str(), assignment.substr(equals + 1).c_str(), 1);
  }
  std::string line;
  for (const auto& word : command) line += quoted(word) + " ";
  FILE* pipe = ::popen(line.c_str(), "r");
  if (!pipe) throw file_error("start", "sbatch", errno);
  std::string printed;
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe)) printed += buffer.data();
  if (const int status = ::pclose(pipe); status != 0) {
    throw Error("sbatch refused the job",
                status == (127 << 8) ? "there is no sbatch here" : "its message stands above",
                "`tutti submit --dry-run` prints the command.");
  }
  while (!printed.empty() && printed.back() == '\n') printed.pop_back();
  return printed;
}

int submit(Options options) {
  if (options.job.output.empty()) options.job.output = "runs/" + fs::path(options.recipe).stem().string();
  check(options);
  const auto scripts = find_scripts(options.scripts);
  Strings arguments = {options.recipe, "--output", options.job.output};
  for (const auto& assignment : options.assignments) arguments.insert(arguments.end(), {"--set", assignment});
  const auto command = sbatch_command(options.job, scripts / kTrainScript, arguments);
  const auto environment = job_environment(options.job, fs::read_symlink("/proc/self/exe"), scripts);
  if (options.dry_run) {
    print_dry_run(environment, command, scripts / kTrainScript);
    return kDone;
  }
  // sbatch does not make it, and a job whose log has no folder fails without a word.
  fs::create_directories(log_folder(options.job));
  const auto job = run_sbatch(environment, command);
  std::cout << "job " << job << "\nrun " << options.job.output << "\nlogs "
            << log_folder(options.job).string() << "/\n";
  return kDone;
}

}  // namespace

LaunchCommand submit_command(CLI::App& program) {
  auto* app = program.add_subcommand("submit", "Hand a training job to SLURM");
  auto options = std::make_shared<Options>();
  auto& job = options->job;
  app->add_option("RECIPE", options->recipe, "TOML file; it is checked before it is submitted")->required();
  app->add_option("-o,--output", job.output, "The run's folder (default: runs/ and the recipe's name)");
  app->add_option("--set", options->assignments, "Set a key of the recipe, as often as needed")
      ->allow_extra_args(false);
  app->add_option("--nodes", job.nodes, "How many nodes")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app->add_option("--gpus", job.gpus, "GPUs of each node, with a rank for each")->check(CLI::Range(0, 1024));
  app->add_option("--ranks", job.ranks, "Ranks of each node (default: one for each GPU, or one)")
      ->check(CLI::Range(1, 4096));
  app->add_option("--cpus", job.cpus, "Cores of each rank, which it is bound to")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app->add_option("--time", job.time, "Time limit of a start, as sbatch takes it (default: the script's)");
  app->add_option("--partition", job.partition, "SLURM partition");
  app->add_option("--account", job.account, "SLURM account");
  app->add_option("--constraint", job.constraint, "Features that the nodes must have");
  app->add_option("--signal-before", job.signal_before,
                  "Seconds before the time limit at which the ranks are asked to save")
      ->capture_default_str()
      ->check(CLI::Range(10, 65535));
  app->add_option("--max-restarts", job.max_restarts, "How often the job may go back into the queue")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000));
  app->add_option("--sbatch", job.more, "Another option for sbatch, as often as needed: --sbatch=--qos=low")
      ->allow_extra_args(false);
  app->add_option("--scripts", options->scripts,
                  "Folder of the batch scripts (default: ./slurm where there is one, else the program's)");
  app->add_flag("--dry-run", options->dry_run, "Print the command and the script, and submit nothing");
  app->footer(
      "Prints the job's number and where its logs are. The job saves before its time limit and when it is\n"
      "preempted, and goes back into the queue until the training is done; slurm/README.md says how.\n"
      "Example, 4 nodes with 8 GPUs each:\n"
      "  tutti submit recipes/gcin/rime.toml --nodes 4 --gpus 8 --cpus 12 --time 12:00:00 --dry-run");
  return {app, [options] { return submit(*options); }};
}

}  // namespace tutti
