#include "recipes/inference.h"

#include <torch/torch.h>

#include "base/error.h"
#include "base/files.h"
#include "data/front_end.h"
#include "data/shard_set.h"
#include "models/weights.h"
#include "recipes/clip.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

// The recipe's mean and std, or those of its shards.
data::Normalisation normalisation_of(const Recipe& recipe) {
  if (!recipe.normalisation.from_shards()) return recipe.normalisation;
  try {
    const auto statistics = data::read_index(recipe.data.shards).statistics;
    return {statistics.mean, statistics.std};
  } catch (const Error& error) {
    throw Error(
        "the recipe takes mean and std from its shards, and those cannot be read", error.what(),
        "Make the shards first, set features.mean and features.std, or give the recipe.toml of a run.");
  }
}

void save_atomically(const fs::path& path, const std::vector<models::NamedTensor>& tensors) {
  auto beside = path;
  beside += ".writing";
  models::save_tensors(beside, tensors, {});
  rename_durably(beside, path);
}

}  // namespace

std::vector<ClassScore> top_scores(const at::Tensor& scores_C, const Strings& classes, std::int64_t top) {
  const auto [values, indices] = scores_C.topk(std::min(top, scores_C.numel()));
  std::vector<ClassScore> result;
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    result.push_back(
        {classes.at(static_cast<std::size_t>(indices[i].item<std::int64_t>())), values[i].item<double>()});
  }
  return result;
}

std::vector<ClassScore> predict(const TrainedModel& trained, const fs::path& audio, std::int64_t top) {
  const auto& recipe = trained.recipe;
  if (models::find(recipe.model.name).task == models::Task::pretraining) {
    throw UsageError(text("'", trained.file.string(), "' comes from pre-training and knows no classes"), "",
                     "Train a model from it: tutti train RECIPE --set model.init=FILE.");
  }
  const data::Fbank fbank(recipe.features);
  const data::FrontEnd front_end(recipe.features, recipe.normalisation.mean, recipe.normalisation.std);
  const torch::NoGradGuard no_grad;
  const auto raw_TM = raw_features(audio, recipe.features, fbank, recipe.features.frames);
  const auto logits =
      trained.model->forward(front_end(batch_of({&raw_TM, 1}, recipe.features), at::kCPU), {});
  return top_scores(class_scores(recipe.loss, logits)[0], trained.classes, top);
}

std::int64_t extract_features(const Strings& audio, const std::optional<Recipe>& recipe,
                              const fs::path& output, const Log& log) {
  const auto options = recipe ? recipe->features : data::FeatureOptions{};
  const data::Fbank fbank(options);
  std::optional<data::FrontEnd> front_end;
  if (recipe) {
    const auto normalisation = normalisation_of(*recipe);
    front_end.emplace(options, normalisation.mean, normalisation.std);
  }
  const torch::NoGradGuard no_grad;
  std::vector<models::NamedTensor> tensors;
  std::string reason;
  std::int64_t unreadable = 0;
  for (const auto& path : audio) {
    try {
      auto features = raw_features(path, options, fbank, recipe ? options.frames : 0);
      if (front_end) features = (*front_end)(batch_of({&features, 1}, options), at::kCPU).squeeze(0);
      tensors.push_back({path, features});
    } catch (const Error& error) {
      ++unreadable;
      reason = error.what();
      log.error(reason);
    }
  }
  if (tensors.empty())
    throw Error(text("none of the ", audio.size(), " files gave features; nothing was written"));
  save_atomically(output, tensors);
  return unreadable;
}

void forward(const TrainedModel& trained, const fs::path& input_path, const fs::path& output) {
  const auto weights = models::load_tensors(input_path);
  const auto input = weights.tensors.find("input");
  if (input == weights.tensors.end())
    throw Error(text("'", input_path.string(), "' has no tensor named input"));
  const auto& features = trained.recipe.features;
  const auto& input_BTM = input->second;
  if (input_BTM.dim() != 3 || input_BTM.size(1) != features.frames || input_BTM.size(2) != features.mels) {
    throw Error(text("'", input_path.string(), "': input has shape ", input_BTM.sizes()),
                text("the model takes [batch, ", features.frames, ", ", features.mels, "]"));
  }
  const torch::NoGradGuard no_grad;
  save_atomically(output, {{"logits", trained.model->forward(input_BTM.to(torch::kFloat32), {})}});
}

}  // namespace tutti::recipes
