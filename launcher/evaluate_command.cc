// tutti evaluate: checkpoints on shards, each and combined.

#include <CLI/CLI.hpp>

#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "launcher/commands.h"
#include "recipes/combine.h"
#include "recipes/run_epochs.h"

namespace tutti {
namespace {

void print(const recipes::ScoredModel& scored, bool json) {
  std::string folds;
  for (const auto& fold : scored.folds) folds += (folds.empty() ? "" : ",") + fold;
  const auto absent = recipes::classes_without_clips(scored.evaluation.scores);
  if (json) {
    nlohmann::ordered_json row = {
        {"checkpoint", scored.name}, {"fold", folds}, {"count", scored.evaluation.count}};
    if (!scored.combined.empty()) row["combined"] = scored.combined;
    if (absent > 0) row["classes_without_clips"] = absent;
    for (const auto& [name, value] : scored.evaluation.metrics) row[name] = value;
    std::cout << row.dump() << std::endl;
    return;
  }
  std::cout << scored.name << "  " << folds << "  " << scored.evaluation.count << " clips";
  if (absent > 0)
    std::cout << " of " << scored.classes.size() - absent << " of " << scored.classes.size() << " classes";
  for (const auto& [name, value] : scored.evaluation.metrics)
    std::cout << "  " << name << ' ' << std::fixed << std::setprecision(4) << value;
  std::cout << std::endl;
}

}  // namespace

Command evaluate_command(CLI::App& program) {
  struct Options {
    recipes::EvaluationRequest request;
    std::string epochs, combine, device = "auto", long_clips = "cut";
    bool json = false;
  };
  auto* app = program.add_subcommand("evaluate", "Score checkpoints on shards");
  auto options = std::make_shared<Options>();
  app->add_option("CHECKPOINT", options->request.checkpoints,
                  "Checkpoint folders, run folders (their best) or weight files")
      ->required();
  app->add_option("--data", options->request.scoring.data, "Folder of shards (default: the recipe's)");
  app->add_option("--fold", options->request.scoring.folds,
                  "Folds to score (default: the recipe's test folds)")
      ->allow_extra_args(false);
  app->add_option("--epochs", options->epochs,
                  "Of run folders: all checkpoints at the end of these epochs, as 6-25, instead of the best");
  app->add_option("--combine", options->combine,
                  "One row more: of the model with the mean of all weights, or of the mean of all scores")
      ->check(CLI::IsMember({"weights", "scores"}));
  app->add_option("--save", options->request.save,
                  "With --combine weights: write that model into a new folder");
  app->add_option("--predictions", options->request.predictions,
                  "HDF5 file that gets the scores of every clip, with keys and targets (docs/evaluation.md)");
  app->add_option("--per-class", options->request.class_table,
                  "CSV file that gets a line a class: clips, average precision, AUC, precision, recall");
  auto* long_clips =
      app->add_option("--long", options->long_clips,
                      "Clips longer than the model's input: cut scores their start, windows the mean over\n"
                      "windows of the whole clip")
          ->capture_default_str()
          ->check(CLI::IsMember({"cut", "windows"}));
  app->add_option("--hop", options->request.scoring.long_clips.hop,
                  "With --long windows: frames from one window to the next (default: half the model's)")
      ->check(CLI::PositiveNumber)
      ->needs(long_clips);
  app->add_option("--device", options->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_flag("--json", options->json, "One JSON object a checkpoint, a line each");
  app->footer(
      "A run keeps the checkpoints of all its epochs with checkpoint.keep_every_epochs = 1. What --save "
      "writes is\na checkpoint, for predict, export and model.init. Examples:\n"
      "  tutti evaluate runs/rime --fold test\n"
      "  tutti evaluate runs/audioset --epochs 6-25 --combine weights --save models/audioset\n"
      "  tutti evaluate runs/seed-1 runs/seed-2 runs/seed-3 --combine scores");
  return {app, [options](const Job& job) {
            const auto world = job.environment.world();
            auto request = options->request;
            if (!options->epochs.empty()) {
              const auto epochs = recipes::parse_epochs(options->epochs);
              request.checkpoints.clear();
              for (const auto& run : options->request.checkpoints) {
                const auto found = recipes::checkpoints_of(run, epochs);
                request.checkpoints.insert(request.checkpoints.end(), found.begin(), found.end());
              }
            }
            if (options->combine == "weights") request.combine = recipes::Combine::weights;
            if (options->combine == "scores") request.combine = recipes::Combine::scores;
            request.scoring.long_clips.windows = options->long_clips == "windows";
            const auto session = recipes::open_session(world, options->device, 0, {});
            recipes::evaluate_checkpoints(request, session, job.console.log, [&](const auto& scored) {
              if (world.rank() == 0) print(scored, options->json);
            });
            return kDone;
          }};
}

}  // namespace tutti
