#pragma once
// A recipe: everything that decides what a training run computes.

#include <filesystem>
#include <string>
#include <vector>

#include "base/fields.h"
#include "data/draws.h"
#include "data/features.h"
#include "data/loader.h"
#include "dist/gradient_sync.h"
#include "models/registry.h"
#include "recipes/config.h"
#include "recipes/loss.h"
#include "recipes/optimizer.h"
#include "recipes/schedule.h"

namespace tutti::recipes {

struct DataOptions {
  std::string shards;
  Strings train = {"train"};
  Strings validation = {"validation"};
  Strings test = {"test"};
  std::string sampling = "shuffle";
};
Fields fields(DataOptions& options);

struct TrainOptions {
  std::int64_t batch = 32;
  std::int64_t epochs = 10;
  std::int64_t accumulate = 1;
  std::int64_t seed = 1;
  std::string precision = "auto";
  std::string device = "auto";
  std::int64_t threads = 0;
  std::int64_t validate_every = 1;
};
Fields fields(TrainOptions& options);

struct CheckpointOptions {
  std::int64_t every_steps = 0;
  std::int64_t every_epochs = 1;
  std::int64_t keep_last = 2;
  std::int64_t keep_every_epochs = 0;
  std::string best = "auto";
};
Fields fields(CheckpointOptions& options);

struct LogOptions {
  std::int64_t every_steps = 10;
};
Fields fields(LogOptions& options);

struct Recipe {
  DataOptions data;
  data::LoaderOptions loader;
  data::FeatureOptions features;
  data::Normalisation normalisation;  // its keys, mean and std, stand in [features] too
  data::AugmentOptions augment;
  models::ModelOptions model;
  LossOptions loss;
  OptimizerOptions optimizer;
  std::vector<GroupOptions> groups;
  ScheduleOptions schedule;
  TrainOptions train;
  CheckpointOptions checkpoint;
  dist::GradientSyncOptions communication;
  LogOptions log;
};

// The recipe's tables, in the order in which they are written.
Sections sections(Recipe& recipe);

// Fills a recipe from TOML text and then from --set assignments, gives the model its input's size, and checks
// every value. Throws UsageError that names source, key and value. `read_recipe` takes the text from a file.
Recipe parse_recipe(std::string_view document, const std::string& source, const Strings& assignments = {});
Recipe read_recipe(const std::filesystem::path& path, const Strings& assignments = {});

std::string to_toml(Recipe recipe);

}  // namespace tutti::recipes
