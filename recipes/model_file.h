#pragma once
// A trained model, wherever a CHECKPOINT is asked for.

#include <filesystem>
#include <memory>

#include "base/log.h"
#include "models/model.h"
#include "recipes/recipe.h"

namespace tutti::recipes {

struct TrainedModel {
  std::filesystem::path file;  // the weight file that was read
  Recipe recipe;               // resolved: normalisation and class count are known
  Strings classes;
  std::shared_ptr<models::Model> model;  // on the CPU, in evaluation mode
};

// The weight file that a path means: a model.safetensors, a checkpoint folder, or a run folder (its best
// checkpoint, else its latest). Manifests are verified. Throws Error that says what was looked for.
std::filesystem::path find_weights(const std::filesystem::path& checkpoint);

// Throws Error that names the file when it carries no recipe or does not fit it.
TrainedModel load_model(const std::filesystem::path& checkpoint, const Log& log);

// A model from a recipe and a weight file with the authors' parameter names. The class count comes from
// the recipe, else from the bias of the file's last layer.
TrainedModel load_model(Recipe recipe, const std::filesystem::path& weights, const Log& log);

// "class 0", "class 1", ...: where nothing names them.
Strings numbered_classes(std::int64_t count);

}  // namespace tutti::recipes
