// tutti shard, train: the jobs that run on many ranks.

#include <CLI/CLI.hpp>

#include <iostream>

#include "data/features.h"
#include "launcher/commands.h"
#include "recipes/config.h"
#include "recipes/shard.h"
#include "recipes/train.h"

namespace tutti {
namespace {

constexpr auto kAssignmentHelp =
    "Set a key of the configuration, as often as needed: --set optimizer.lr=1e-4. `tutti inspect RECIPE` "
    "shows every key with its value.";

// Seconds. Before the first step ranks read, check and connect, each at a pace of its own.
constexpr double kStartUpLimit = 600;

// In TOML, to be put into a recipe.
int print_statistics(const recipes::ShardConfig& config, const dist::Communicator& world,
                     const recipes::Console& console) {
  const auto found = recipes::measure_statistics(config, world, console);
  for (const auto& file : found.unreadable) console.log.error("left out: ", file.reason);
  if (world.rank() == 0) {
    data::Normalisation normalisation{found.statistics.mean, found.statistics.std};
    std::cout << "# over " << found.statistics.frames << " frames of " << found.of << '\n'
              << recipes::to_toml(recipes::Sections{{"features", data::fields(normalisation)}}) << std::flush;
  }
  return found.unreadable.empty() || config.output.allow_unreadable ? kDone : kFailed;
}

}  // namespace

Command shard_command(CLI::App& program) {
  struct Options {
    std::string config;
    Strings assignments;
    bool stats = false;
  };
  auto* app = program.add_subcommand("shard", "Turn sound files and labels into HDF5 shards");
  auto options = std::make_shared<Options>();
  app->add_option("CONFIG", options->config, "TOML file with [input], [features] and [output]")->required();
  app->add_option("--set", options->assignments, kAssignmentHelp)->allow_extra_args(false);
  app->footer(
      "Reads a CSV manifest (columns path, label, and if wanted key, fold) or a folder per class, and "
      "writes\n"
      "log-mel spectrograms or, with output.kind = \"waveform\", 16-bit waveforms. Files that cannot be\n"
      "read are listed, the rest is done, and the exit code is 1.\n"
      "Run again, it goes on where it was stopped. Example, on two ranks:\n"
      "  tutti launch -n 2 -- shard recipes/gcin/rime_shards.toml");
  app->add_flag("--stats", options->stats,
                "Write nothing; print features.mean and features.std of the clips, as a recipe takes them");
  return {app, [options](const Job& job) {
            const auto config = recipes::read_shard_config(options->config, options->assignments);
            const auto world = job.environment.world();
            if (options->stats) return print_statistics(config, world, job.console);
            const auto unreadable = recipes::make_shards(config, world, job.console);
            for (const auto& file : unreadable) job.console.log.error("left out: ", file.reason);
            return unreadable.empty() || config.output.allow_unreadable ? kDone : kFailed;
          }};
}

Command train_command(CLI::App& program) {
  struct Options {
    std::string recipe, output;
    Strings assignments;
    std::optional<std::int64_t> max_steps;
    double hang_after = 600;
  };
  auto* app = program.add_subcommand("train", "Train a model from a recipe");
  auto options = std::make_shared<Options>();
  app->add_option("RECIPE", options->recipe, "TOML file; recipes/ holds examples")->required();
  app->add_option("-o,--output", options->output,
                  "The run's folder: checkpoints, metrics.jsonl, log.txt, TensorBoard events")
      ->required();
  app->add_option("--set", options->assignments, kAssignmentHelp)->allow_extra_args(false);
  app->add_option("--max-steps", options->max_steps,
                  "Stop at this step with a checkpoint; the schedule stays as it is")
      ->check(CLI::PositiveNumber);
  app->add_option(
         "--hang-after", options->hang_after,
         "Seconds that a rank may wait for the others, at least 600 up to the first step; then the job "
         "ends\nwith exit code 76 and says who did not come. Must exceed the time to save a checkpoint. 0: "
         "for ever")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app->footer(
      "With the same recipe and output, a run goes on where it was stopped. SIGUSR1, SIGTERM and Ctrl-C save "
      "a\n"
      "checkpoint and end with exit code 75. Examples:\n"
      "  tutti train recipes/gcin/rime.toml --output runs/rime\n"
      "  tutti launch -n 2 -- train recipes/gcin/rime.toml --set train.seed=2 --output runs/rime-2");
  return {app, [options](const Job& job) {
            const auto recipe = recipes::read_recipe(options->recipe, options->assignments);
            const double limit = options->hang_after;
            job.environment.set_hang_limit(limit > 0 ? std::max(limit, kStartUpLimit) : 0);
            const auto outcome =
                recipes::train(recipe, options->output, options->max_steps, job.environment.world(),
                               job.console, [&] { job.environment.set_hang_limit(limit); });
            return outcome == recipes::TrainOutcome::finished ? kDone : kStoppedBySignal;
          }};
}

}  // namespace tutti
