#include "recipes/model_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "models/foreign.h"
#include "models/registry.h"
#include "models/weights.h"
#include "recipes/checkpoint.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

std::shared_ptr<models::Model> build(const Recipe& recipe, models::Weights weights, const Log& log) {
  const auto model = models::find(recipe.model.name).build(recipe.model, /*seed=*/0);
  for (const auto& line : models::load_parameters(*model, std::move(weights))) log.info(line);
  model->eval();
  return model;
}

}  // namespace

fs::path find_weights(const fs::path& checkpoint) {
  if (!fs::exists(checkpoint)) {
    throw Error(text("there is no '", checkpoint.string(), "'"),
                "a checkpoint, run folder or weight file is wanted here");
  }
  const auto verify = [](const fs::path& folder) {  // an exported model may lie there alone
    if (fs::exists(folder / "MANIFEST.json") || fs::exists(folder / "state.json"))
      verify_checkpoint(fs::canonical(folder));
  };
  if (!fs::is_directory(checkpoint)) {
    if (checkpoint.filename() == kModelFile) verify(fs::absolute(checkpoint).parent_path());
    return checkpoint;
  }
  for (const auto& folder :
       {checkpoint, checkpoint / "checkpoints" / "best", checkpoint / "checkpoints" / "latest"}) {
    if (!fs::exists(folder / kModelFile)) continue;
    verify(folder);
    return folder / kModelFile;
  }
  throw Error(text("'", checkpoint.string(), "' is no checkpoint"),
              "it holds neither model.safetensors nor checkpoints/best or checkpoints/latest");
}

Strings numbered_classes(std::int64_t count) {
  Strings names;
  for (std::int64_t c = 0; c < count; ++c) names.push_back(text("class ", c));
  return names;
}

TrainedModel load_model(const fs::path& checkpoint, const Log& log) {
  const auto file = find_weights(checkpoint);
  auto weights = models::load_tensors(file);
  const auto recipe = weights.metadata.find("recipe");
  const auto classes = weights.metadata.find("classes");
  if (recipe == weights.metadata.end() || classes == weights.metadata.end()) {
    throw Error(text("'", file.string(), "' carries no recipe"), "it was not written by tutti train",
                "Give --recipe R.toml --weights FILE, where the command takes them.");
  }
  TrainedModel trained{file, parse_recipe(recipe->second, file.string()), {}, nullptr};
  const auto names = nlohmann::json::parse(classes->second, nullptr, /*allow_exceptions=*/false);
  const auto is_string = [](const nlohmann::json& name) { return name.is_string(); };
  if (!names.is_array() || !std::ranges::all_of(names, is_string))
    throw Error(text("'", file.string(), "': its class names are damaged"));
  trained.classes = names.get<Strings>();
  trained.model = build(trained.recipe, std::move(weights), log);
  return trained;
}

TrainedModel load_model(Recipe recipe, const fs::path& file, const Log& log) {
  Strings report;
  auto weights = models::load_foreign(file, report);
  for (const auto& line : report) log.info(line);
  const auto bias = weights.tensors.find("mlp_head.1.bias");
  if (recipe.model.classes == 0 && bias != weights.tensors.end()) recipe.model.classes = bias->second.numel();
  TrainedModel trained{file, recipe, numbered_classes(recipe.model.classes), nullptr};
  trained.model = build(recipe, std::move(weights), log);
  return trained;
}

}  // namespace tutti::recipes
