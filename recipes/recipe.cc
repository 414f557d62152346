#include "recipes/recipe.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"

namespace tutti::recipes {

Fields fields(DataOptions& options) {
  return {
      {.name = "shards", .target = &options.shards, .meaning = "folder of shards, as tutti shard makes it"},
      {.name = "train", .target = &options.train, .meaning = "folds to train on"},
      {.name = "validation",
       .target = &options.validation,
       .meaning = "folds that choose the best checkpoint"},
      {.name = "test", .target = &options.test, .meaning = "folds that tutti evaluate scores by default"},
      {.name = "sampling",
       .target = &options.sampling,
       .meaning =
           "of an epoch: shuffle (each training clip once) or balanced (as many draws with replacement, "
           "rare classes as often as common ones, as AST)",
       .choices = {"shuffle", "balanced"}},
  };
}

Fields fields(TrainOptions& options) {
  return {
      {.name = "batch", .target = &options.batch, .meaning = "clips of a step, over all ranks", .least = 1},
      {.name = "epochs", .target = &options.epochs, .meaning = "passes over the training folds", .least = 1},
      {.name = "accumulate",
       .target = &options.accumulate,
       .meaning = "parts that a rank cuts its share of the batch into, to save memory",
       .least = 1},
      {.name = "seed",
       .target = &options.seed,
       .meaning = "of initial values, order and augmentation",
       .least = 0},
      {.name = "precision",
       .target = &options.precision,
       .meaning = "fp32, bf16, or auto: bf16 where the hardware gains from it",
       .choices = {"auto", "fp32", "bf16"}},
      {.name = "device",
       .target = &options.device,
       .meaning = "cpu, cuda, or auto: a GPU for each rank where there are some",
       .choices = {"auto", "cpu", "cuda"}},
      {.name = "threads",
       .target = &options.threads,
       .meaning = "compute threads of each rank; 0: its share of the cores",
       .least = 0,
       .most = 1024,
       .identifies_run = false},
      {.name = "validate_every",
       .target = &options.validate_every,
       .meaning = "epochs from one validation to the next; 0: at the end only",
       .least = 0},
  };
}

Fields fields(CheckpointOptions& options) {
  return {
      {.name = "every_steps",
       .target = &options.every_steps,
       .meaning = "steps from one checkpoint to the next; 0: by epochs only",
       .least = 0,
       .identifies_run = false},
      {.name = "every_epochs",
       .target = &options.every_epochs,
       .meaning = "epochs from one checkpoint to the next",
       .least = 1,
       .identifies_run = false},
      {.name = "keep_last",
       .target = &options.keep_last,
       .meaning = "the newest checkpoints that are kept",
       .least = 1,
       .identifies_run = false},
      {.name = "keep_every_epochs",
       .target = &options.keep_every_epochs,
       .meaning = "checkpoints at the end of every so many epochs are kept for good; 0: none",
       .least = 0,
       .identifies_run = false},
      {.name = "best",
       .target = &options.best,
       .meaning = "metric that chooses the best checkpoint; auto: accuracy for ce, map for bce",
       .choices = {"auto", "accuracy", "top5", "map", "auc", "dprime", "loss"}},
  };
}

Fields fields(LogOptions& options) {
  return {
      {.name = "every_steps",
       .target = &options.every_steps,
       .meaning = "steps from one line of metrics.jsonl to the next",
       .least = 1,
       .identifies_run = false},
  };
}

Sections sections(Recipe& recipe) {
  Sections all = {{"data", fields(recipe.data)},
                  {"loader", data::fields(recipe.loader)},
                  {"features", data::fields(recipe.features)},
                  {"augment", data::fields(recipe.augment)},
                  {"model", models::fields(recipe.model)},
                  {"loss", fields(recipe.loss)},
                  {"optimizer", fields(recipe.optimizer)},
                  {"schedule", fields(recipe.schedule)},
                  {"train", fields(recipe.train)},
                  {"checkpoint", fields(recipe.checkpoint)},
                  {"communication", dist::fields(recipe.communication)},
                  {"log", fields(recipe.log)}};
  std::ranges::copy(data::fields(recipe.normalisation), std::back_inserter(all[2].fields));
  for (std::size_t g = 0; g < recipe.groups.size(); ++g) {
    all.push_back({text("groups.", g), fields(recipe.groups[g])});
  }
  return all;
}

Recipe parse_recipe(std::string_view document, const std::string& source, const Strings& assignments) {
  auto entries = parse_toml(document, source);
  for (const auto& assignment : assignments) entries.push_back(parse_assignment(assignment));

  Recipe recipe;
  // These two decide which keys there are.
  for (const auto& entry : entries) {
    if (entry.key == "model.name") {
      auto all = sections(recipe);
      assign(all, entry);
    }
    if (entry.key.starts_with("groups.")) {
      const auto group = std::strtoul(entry.key.c_str() + std::string_view("groups.").size(), nullptr, 10);
      recipe.groups.resize(
          std::max<std::size_t>(recipe.groups.size(), std::min<std::size_t>(group, 999) + 1));
    }
  }
  auto all = sections(recipe);
  for (const auto& entry : entries) assign(all, entry);
  validate(all);
  data::check(recipe.features);
  recipe.model.frames = recipe.features.frames;
  recipe.model.mels = recipe.features.mels;
  return recipe;
}

Recipe read_recipe(const std::filesystem::path& path, const Strings& assignments) {
  return parse_recipe(read_file(path), path.string(), assignments);
}

std::string to_toml(Recipe recipe) { return to_toml(sections(recipe)); }

}  // namespace tutti::recipes
