#include "recipes/resolve.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "data/shard_format.h"
#include "recipes/precision.h"

namespace tutti::recipes {
namespace {

constexpr auto kRecipeFile = "recipe.toml";

// Of shards to train on: a model that sees padding in every clip is a mistake. Evaluation pads.
void check_frames(const Recipe& recipe, const data::ShardSet& shards) {
  const auto wanted = recipe.features.frames, stored = shards.index().schema.features.frames;
  if (stored >= wanted) return;
  throw UsageError(
      text("features.frames = ", wanted, ", but the clips in '", shards.folder().string(), "' have ", stored),
      "", "Make the shards again with more frames, or ask for fewer.");
}

void check_features(const Recipe& recipe, const data::ShardSet& shards) {
  auto wanted = recipe.features;
  auto stored = shards.index().schema.features;
  const auto folder = shards.folder().string();
  stored.frames = wanted.frames;
  const Sections ours = {{"features", data::stored_fields(wanted)}};
  const Sections theirs = {{"features", data::stored_fields(stored)}};
  const auto differing = differing_keys(ours, theirs);
  if (differing.empty()) return;
  std::string list;
  for (const auto& key : differing) list += (list.empty() ? "" : "; ") + key;
  throw UsageError(text("the shards in '", folder, "' were made with other features than the recipe's"), list,
                   "Change [features] of the recipe, or make the shards again.");
}

void take_open_values(Recipe& recipe, const Recipe& saved) {
  if (recipe.train.precision == "auto") recipe.train.precision = saved.train.precision;
  if (recipe.checkpoint.best == "auto") recipe.checkpoint.best = saved.checkpoint.best;
  if (recipe.model.classes == 0) recipe.model.classes = saved.model.classes;
  if (recipe.normalisation.from_shards()) recipe.normalisation = saved.normalisation;
}

// The keys in which the folder's run differs; none where there is no run.
std::string resolve_against(const std::filesystem::path& folder, Recipe& recipe, const data::ShardSet& shards,
                            const at::Device& device) {
  check_frames(recipe, shards);
  const auto file = folder / kRecipeFile;
  if (!std::filesystem::exists(file)) {
    resolve(recipe, shards, device);
    return {};
  }
  auto saved = read_recipe(file);
  take_open_values(recipe, saved);
  std::string list;
  for (const auto& key : differing_keys(sections(saved), sections(recipe))) list += "\n  " + key;
  if (list.empty()) resolve(recipe, shards, device);
  return list;
}

// In words, between a model's classes and those of shards.
std::string difference(const Strings& models, const Strings& shards) {
  const auto lacking = [](const Strings& all, const Strings& from) {
    constexpr int most = 8;
    std::string names;
    int count = 0;
    for (const auto& name : all) {
      if (std::ranges::find(from, name) != from.end() || ++count > most) continue;
      names += text(names.empty() ? "'" : ", '", name, "'");
    }
    return count > most ? text(names, " and ", count - most, " more") : names;
  };
  std::string words;
  if (const auto unseen = lacking(shards, models); !unseen.empty()) words = "the model never saw " + unseen;
  if (const auto absent = lacking(models, shards); !absent.empty())
    words += text(words.empty() ? "" : "; ", "the shards lack ", absent);
  return words.empty() ? "they are the same in another order" : words;
}

}  // namespace

void resolve(Recipe& recipe, const data::ShardSet& shards, const at::Device& device) {
  check_features(recipe, shards);
  const bool pretraining = models::find(recipe.model.name).task == models::Task::pretraining;
  if (pretraining != (recipe.loss.name == "pretext")) {
    throw UsageError(
        text("loss.name = \"", recipe.loss.name, "\" with model.name = \"", recipe.model.name, '"'),
        "\"pretext\" is the loss of a model of pre-training, and of no other",
        text("Set loss.name to \"", pretraining ? "pretext\"." : "ce\" or \"bce\"."));
  }
  const auto classes = static_cast<std::int64_t>(shards.classes().size());
  if (recipe.model.classes == 0) recipe.model.classes = classes;
  if (recipe.model.classes != classes) {
    throw UsageError(text("model.classes = ", recipe.model.classes, ", but '", shards.folder().string(),
                          "' has ", classes));
  }
  if (recipe.normalisation.from_shards()) {
    const auto& statistics = shards.index().statistics;
    if (!(statistics.std > 0)) {
      throw UsageError(text("'", shards.folder().string(), "' has no statistics to normalise with"),
                       "no clip of its first fold has varying sound", "Set features.mean and features.std.");
    }
    recipe.normalisation = {statistics.mean, statistics.std};
  }
  recipe.train.precision = resolve_precision(recipe.train.precision, device);
  if (recipe.checkpoint.best == "auto")
    recipe.checkpoint.best = recipe.loss.name == "bce" ? "map" : "accuracy";
}

void resolve(TrainedModel& trained, const data::ShardSet& shards, const at::Device& device) {
  if (shards.classes() != trained.classes) {
    throw UsageError(text("'", trained.file.string(), "' was trained on other classes than '",
                          shards.folder().string(), "' has"),
                     difference(trained.classes, shards.classes()),
                     "Make the shards with the model's classes, in its order: input.classes of tutti shard.");
  }
  resolve(trained.recipe, shards, device);
}

void check_ranks(const Recipe& recipe, int ranks) {
  if (recipe.train.batch >= ranks) return;
  throw UsageError(
      text("train.batch = ", recipe.train.batch, " is smaller than the number of ranks, ", ranks),
      "the batch is global", "Start fewer ranks, or raise it.");
}

void agree(const dist::Communicator& world, const Recipe& recipe) {
  const auto all = dist::all_gather(world, to_toml(recipe));
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    auto first = parse_recipe(all[0], "rank 0"), other = parse_recipe(all[rank], text("rank ", rank));
    std::string list;
    for (const auto& key : differing_keys(sections(first), sections(other)))
      list += (list.empty() ? "" : "; ") + key;
    throw UsageError(text("ranks 0 and ", rank, " were started with different recipes"), list);
  }
}

Recipe resolve_run(const std::filesystem::path& folder, Recipe asked, const data::ShardSet& shards,
                   const at::Device& device, const dist::Communicator& world) {
  std::string outcome;
  if (world.rank() == 0) {
    try {
      const auto differing = resolve_against(folder, asked, shards, device);
      outcome = differing.empty() ? "=" + to_toml(asked) : "!" + differing;
    } catch (const Error& error) {
      outcome = std::string("?") + error.what();
    }
  }
  dist::broadcast(world, outcome, 0);
  if (outcome[0] == '?') throw UsageError(outcome.substr(1));
  if (outcome[0] == '!') {
    throw UsageError(
        text("'", folder.string(),
             "' holds a run of another recipe; these keys differ (there and here):", outcome.substr(1)),
        "", "\nContinue it with its own recipe, or give another --output.");
  }
  return parse_recipe(std::string_view(outcome).substr(1), "the run's recipe");
}

FileLock claim_run(const std::filesystem::path& folder, const Recipe& recipe) {
  std::filesystem::create_directories(folder);
  constexpr auto kPatience = std::chrono::seconds(60);  // a job that goes on after a node was lost
  FileLock lock(folder / ".lock", text("run '", folder.string(), "'"), kPatience);
  if (!std::filesystem::exists(folder / kRecipeFile)) replace_file(folder / kRecipeFile, to_toml(recipe));
  return lock;
}

}  // namespace tutti::recipes
