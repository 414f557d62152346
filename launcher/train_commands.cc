// tutti shard, train, evaluate: the jobs that run on many ranks.

#include <CLI/CLI.hpp>

#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launcher/commands.h"
#include "recipes/evaluate.h"
#include "recipes/model_file.h"
#include "recipes/resolve.h"
#include "recipes/shard.h"
#include "recipes/train.h"

namespace tutti {
namespace {

constexpr auto kAssignmentHelp =
    "Set a key of the configuration, as often as needed: --set optimizer.lr=1e-4. `tutti inspect RECIPE` "
    "shows every key with its value.";

// Seconds. Before the first step ranks read, check and connect, each at a pace of its own.
constexpr double kStartUpLimit = 600;

void print_table(const std::vector<nlohmann::ordered_json>& rows) {
  for (const auto& row : rows) {
    std::cout << row["checkpoint"].get<std::string>() << "  " << row["fold"].get<std::string>() << "  "
              << row["count"] << " clips";
    for (const auto& [name, value] : row.items()) {
      if (value.is_number_float())
        std::cout << "  " << name << ' ' << std::fixed << std::setprecision(4) << value.get<double>();
    }
    std::cout << '\n';
  }
}

// In TOML, to be put into a recipe.
int print_statistics(const recipes::ShardConfig& config, const dist::Communicator& world,
                     const recipes::Console& console) {
  const auto found = recipes::measure_statistics(config, world, console);
  for (const auto& file : found.unreadable) console.log.error("left out: ", file.reason);
  if (world.rank() == 0) {
    const nlohmann::json mean = found.statistics.mean, std = found.statistics.std;
    std::cout << "# over " << found.statistics.frames << " frames of " << found.of
              << "\n[features]\nmean = " << mean << "\nstd = " << std << std::endl;
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

Command evaluate_command(CLI::App& program) {
  struct Options {
    Strings checkpoints, folds;
    std::string data, device = "auto";
    bool json = false;
  };
  auto* app = program.add_subcommand("evaluate", "Score checkpoints on shards");
  auto options = std::make_shared<Options>();
  app->add_option("CHECKPOINT", options->checkpoints,
                  "Checkpoint folders, run folders (their best) or weight files")
      ->required();
  app->add_option("--data", options->data, "Folder of shards (default: the recipe's)");
  app->add_option("--fold", options->folds, "Folds to score (default: the recipe's test folds)")
      ->allow_extra_args(false);
  app->add_option("--device", options->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_flag("--json", options->json, "One JSON object a checkpoint, a line each");
  app->footer("Example:\n  tutti evaluate runs/rime --fold test");
  return {app, [options](const Job& job) {
            const auto world = job.environment.world();
            const auto session = recipes::open_session(world, options->device, 0, {});
            std::vector<nlohmann::ordered_json> rows;
            for (const auto& checkpoint : options->checkpoints) {
              auto trained = recipes::load_model(checkpoint, job.console.log);
              const auto shards =
                  data::ShardSet::open(options->data.empty() ? trained.recipe.data.shards : options->data);
              recipes::resolve(trained.recipe, shards, session.device);
              if (shards.classes() != trained.classes) {
                throw Error(text("'", checkpoint, "' was trained on other classes than '",
                                 shards.folder().string(), "' has"));
              }
              const auto folds = options->folds.empty() ? trained.recipe.data.test : options->folds;
              trained.model->to(session.device);
              const auto evaluation =
                  recipes::evaluate(*trained.model, trained.recipe, shards, shards.records(folds), session);
              std::string fold_names;
              for (const auto& fold : folds) fold_names += (fold_names.empty() ? "" : ",") + fold;
              nlohmann::ordered_json row = {
                  {"checkpoint", checkpoint}, {"fold", fold_names}, {"count", evaluation.count}};
              for (const auto& [name, value] : evaluation.metrics) row[name] = value;
              rows.push_back(row);
            }
            if (world.rank() != 0) return kDone;
            if (!options->json) print_table(rows);
            if (options->json) {
              for (const auto& row : rows) std::cout << row.dump() << '\n';
            }
            std::cout.flush();
            return kDone;
          }};
}

}  // namespace tutti
