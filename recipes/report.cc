#include "recipes/report.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/files.h"
#include "recipes/evaluate.h"
#include "recipes/model_file.h"
#include "recipes/report_clips.h"
#include "recipes/resolve.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLogLines = 40;
constexpr std::int64_t kPredictions = 3;  // of a clip

RunHistory history_of(const fs::path& run) {
  if (!fs::exists(run)) throw Error(text("there is no '", run.string(), "'"), "a run folder is wanted here");
  const auto path = run / "metrics.jsonl";
  if (!fs::exists(path)) {
    throw Error(text("'", run.string(), "' is no run"), "it has no metrics.jsonl",
                "Give the folder that tutti train --output names.");
  }
  auto history = read_history(path);
  if (history.steps.empty()) {
    throw Error(text("'", path.string(), "' holds no step yet"), "there is nothing to draw",
                "Wait until the run has logged one; log.every_steps says how often.");
  }
  return history;
}

std::string last_lines(const fs::path& path) {
  if (!fs::exists(path)) return "";
  const auto content = read_file(path);
  auto begin = content.size();
  for (std::size_t lines = 0; begin > 0 && lines <= kLogLines; --begin) lines += content[begin - 1] == '\n';
  return content.substr(begin == 0 ? 0 : begin + 1);
}

// The test folds where they hold clips, else the validation folds.
Strings folds_to_score(const Recipe& recipe, const data::ShardSet& shards) {
  for (const auto& folds : {recipe.data.test, recipe.data.validation}) {
    if (!folds.empty() && !shards.records(folds).empty()) return folds;
  }
  throw UsageError(
      text("'", shards.folder().string(), "' has no clips in the recipe's test and validation folds"), "",
      "Name others with --fold.");
}

// Clips in the order in which they are shown: mistakes before others, of each kind the highest loss first.
std::vector<std::size_t> worst_first(const std::vector<double>& losses, const std::vector<bool>& right) {
  std::vector<std::size_t> order(losses.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return right[a] != right[b] ? !right[a] : losses[a] > losses[b];
  });
  return order;
}

void add_recipe(RunReport& report, Recipe recipe) {
  report.recipe = to_toml(recipe);
  for (const auto& section : sections(recipe)) {
    for (const auto& field : section.fields)
      report.keys.emplace_back(section.name + "." + field.name, tutti::to_toml(field));
  }
  report.model = recipe.model.name;
  report.epochs = recipe.train.epochs;
  report.batch = recipe.train.batch;
  report.features = recipe.features;
}

std::vector<ClassScore> top_classes(const Scores& scores, std::size_t clip, const Strings& names) {
  std::vector<ClassScore> all;
  for (std::size_t c = 0; c < names.size(); ++c)
    all.push_back({names[c], scores.score[clip * names.size() + c]});
  std::ranges::stable_sort(all, std::greater{}, &ClassScore::score);
  all.resize(std::min<std::size_t>(all.size(), kPredictions));
  return all;
}

void add_clips(RunReport& report, const Evaluation& evaluation, const TrainedModel& trained,
               const data::ShardSet& shards, std::int64_t count, const Session& session) {
  const auto& scores = evaluation.scores;
  const auto losses = clip_losses(scores);
  std::vector<bool> right;
  for (std::int64_t clip = 0; clip < evaluation.count; ++clip)
    right.push_back(scores.target[static_cast<std::size_t>(clip * scores.classes + highest(scores, clip))] >
                    0.5F);
  report.mistakes = std::ranges::count(right, false);

  std::vector<std::int64_t> records;
  for (const auto clip : worst_first(losses, right)) {
    if (std::ssize(records) == count) break;
    const auto record = evaluation.groups[clip];
    records.push_back(record);
    ShownClip shown{
        .key = std::string(shards.key(record)),
        .seconds = static_cast<double>(shards.frames(record)) * trained.recipe.features.frame_shift_ms / 1000,
        .predicted = top_classes(scores, clip, trained.classes),
        .right = right[clip],
        .loss = losses[clip]};
    for (const auto& label : shards.labels(record))
      shown.truth.push_back(trained.classes[static_cast<std::size_t>(label.index)]);
    report.clips.push_back(std::move(shown));
  }
  if (records.empty()) return;
  add_pictures(report.clips, records, *trained.model, trained.recipe, shards, session);
  report.sound_note = add_sounds(report.clips, shards);
}

}  // namespace

RunReport describe_run(const fs::path& run, const ReportOptions& options, const Session& session,
                       const Log& log) {
  RunReport report{.folder = run};
  report.history = history_of(run);
  report.environment = read_environment(run);
  report.log = last_lines(run / "log.txt");

  auto trained = load_model(run, log);
  report.checkpoint = fs::canonical(trained.file.parent_path()).filename();
  const auto shards = data::ShardSet::open(options.data.empty() ? trained.recipe.data.shards : options.data);
  resolve(trained, shards, session.device);
  add_recipe(report, trained.recipe);
  report.parameters = models::parameter_count(*trained.model);
  report.gflop = models::find(trained.recipe.model.name).flops(trained.recipe.model).whole / 1e9;

  report.folds = options.folds.empty() ? folds_to_score(trained.recipe, shards) : options.folds;
  trained.model->to(session.device);
  const auto evaluation =
      evaluate(*trained.model, trained.recipe, shards, shards.records(report.folds), session);
  report.count = evaluation.count;
  report.metrics = evaluation.metrics;
  if (evaluation.scores.classes == 0) return report;  // pre-training
  report.classes = describe_classes(evaluation.scores, trained.classes);
  add_clips(report, evaluation, trained, shards, options.clips, session);
  return report;
}

}  // namespace tutti::recipes
