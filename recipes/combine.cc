#include "recipes/combine.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "base/error.h"
#include "models/registry.h"
#include "models/weights.h"
#include "recipes/checkpoint.h"
#include "recipes/evaluation_files.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

// What decides what a model computes, and nothing else.
Sections model_sections(Recipe& recipe) {
  Sections chosen;
  for (auto& section : sections(recipe)) {
    if (section.name == "model") {
      std::erase_if(section.fields, [](const Field& f) { return f.name == "init" || f.name == "init_skip"; });
    } else if (section.name == "loss") {
      std::erase_if(section.fields, [](const Field& f) { return f.name != "name"; });
    } else if (section.name != "features") {
      continue;
    }
    chosen.push_back(std::move(section));
  }
  return chosen;
}

void check_same_model(const TrainedModel& one, const TrainedModel& other) {
  auto first = one.recipe, second = other.recipe;
  const auto differing = differing_keys(model_sections(first), model_sections(second));
  std::string list;
  for (const auto& key : differing) list += (list.empty() ? "" : "; ") + key;
  if (list.empty() && one.classes != other.classes) list = "their classes differ";
  if (list.empty()) return;
  throw Error(text("'", one.file.string(), "' and '", other.file.string(),
                   "' have no mean: they are different models"),
              list, "The mean of their scores has a meaning: --combine scores.");
}

// What makes the scores of two models no scores of the same things; empty where they are.
std::string difference(const ScoredModel& one, const ScoredModel& other) {
  if (one.classes != other.classes) return "they have other classes";
  if (one.keys.size() != other.keys.size())
    return text("they were scored on ", one.keys.size(), " and ", other.keys.size(), " clips");
  const auto clip = std::ranges::mismatch(one.keys, other.keys);
  if (clip.in1 != one.keys.end())
    return text("clip ", clip.in1 - one.keys.begin(), " is '", *clip.in1, "' and '", *clip.in2, "'");
  const auto& targets = one.evaluation.scores.target;
  const auto label = std::ranges::mismatch(targets, other.evaluation.scores.target).in1 - targets.begin();
  if (label == std::ssize(targets)) return {};
  return text("the labels of '", one.keys[static_cast<std::size_t>(label / std::ssize(one.classes))],
              "' differ");
}

double at_least(double log) { return std::max(log, -100.0); }

void check_request(const EvaluationRequest& request) {
  if (!request.save.empty() && request.combine != Combine::weights)
    throw UsageError("only a mean of weights can be saved", "", "Add --combine weights.");
  if (!request.save.empty() && fs::exists(request.save)) {
    throw UsageError(text("'", request.save.string(), "' is there already"), "",
                     "Give another folder, or remove it.");
  }
  for (const auto& file : {request.predictions, request.class_table}) {
    check_place(file);
    if (file.empty() || request.combine != Combine::nothing || request.checkpoints.size() == 1) continue;
    throw UsageError(text("'", file.string(), "' is of one model, and ", request.checkpoints.size(),
                          " checkpoints are given"),
                     "", "Give one, or say with --combine what they are together.");
  }
}

// A model of pre-training has a loss of each clip, and no scores.
void check_has_scores(const EvaluationRequest& request, const TrainedModel& trained) {
  const bool needed =
      request.combine == Combine::scores || !request.predictions.empty() || !request.class_table.empty();
  if (!needed || models::find(trained.recipe.model.name).task == models::Task::classification) return;
  throw UsageError(text("'", trained.file.string(), "' comes from pre-training and scores no classes"));
}

}  // namespace

void WeightMean::add(const TrainedModel& trained) {
  if (first_) {
    check_same_model(*first_, trained);
  } else {
    first_ = {trained.file, trained.recipe, trained.classes, nullptr};
  }
  const torch::NoGradGuard no_grad;
  const auto parameters = models::parameters_of(*trained.model);
  sums_.resize(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto value = parameters[i].tensor.to(torch::kCPU, torch::kFloat64);
    sums_[i] = sums_[i].defined() ? sums_[i] + value : value;
  }
  ++count_;
}

void WeightMean::assign_to(TrainedModel& trained) const {
  const torch::NoGradGuard no_grad;
  const auto parameters = models::parameters_of(*trained.model);
  for (std::size_t i = 0; i < parameters.size(); ++i)
    parameters[i].tensor.copy_(sums_[i] / static_cast<double>(count_));
}

void ScoreMean::add(const ScoredModel& scored) {
  const auto& scores = scored.evaluation.scores.score;
  if (!first_) {
    first_ = scored;
    sums_.resize(scores.size());
  } else {
    if (const auto why = difference(*first_, scored); !why.empty())
      throw Error(text("the scores of '", first_->name, "' and '", scored.name, "' have no mean"), why);
    if (scored.loss != first_->loss) first_->loss.clear();
  }
  for (std::size_t i = 0; i < scores.size(); ++i) sums_[i] += scores[i];
  ++count_;
}

ScoredModel ScoreMean::mean() const {
  auto result = *first_;
  result.name = text("mean scores of ", count_);
  result.combined = "scores";
  auto& [count, metrics, scores, groups] = result.evaluation;
  for (std::size_t i = 0; i < sums_.size(); ++i) scores.score[i] = sums_[i] / static_cast<double>(count_);
  metrics = classification_metrics(scores);
  if (!result.loss.empty()) metrics.emplace_back("loss", loss_of_scores(result.loss, scores));
  return result;
}

double loss_of_scores(const std::string& loss, const Scores& scores) {
  const auto classes = static_cast<std::size_t>(scores.classes);
  const auto clips = static_cast<std::size_t>(scores.clips());
  double sum = 0;
  for (std::size_t clip = 0; clip < clips; ++clip) {
    const auto score = std::span(scores.score).subspan(clip * classes, classes);
    const auto target = std::span(scores.target).subspan(clip * classes, classes);
    double labels = 0;
    for (const auto t : target) labels += t;
    for (std::size_t c = 0; c < classes; ++c) {
      const double t = target[c], log_score = at_least(std::log(score[c]));
      sum -= loss == "bce" ? t * log_score + (1 - t) * at_least(std::log1p(-score[c]))
                           : t / std::max(labels, 1e-12) * log_score;
    }
  }
  return sum / static_cast<double>(loss == "bce" ? clips * classes : clips);
}

void evaluate_checkpoints(const EvaluationRequest& request, const Session& session, const Log& log,
                          const std::function<void(const ScoredModel&)>& row) {
  check_request(request);
  Scorer score(request.scoring, session);
  WeightMean weights;
  ScoreMean scores;
  std::optional<ScoredModel> last;
  for (const auto& checkpoint : request.checkpoints) {
    const auto trained = load_model(checkpoint, log);
    check_has_scores(request, trained);
    if (request.combine == Combine::weights) weights.add(trained);
    last = score(checkpoint, trained);
    if (request.combine == Combine::scores) scores.add(*last);
    row(*last);
  }
  const bool writes = session.world.rank() == 0;
  if (request.combine == Combine::weights) {
    auto mean = load_model(request.checkpoints.back(), log);
    weights.assign_to(mean);
    last = score(text("mean weights of ", weights.count()), mean);
    last->combined = "weights";
    if (writes && !request.save.empty()) save_model(request.save, *mean.model, mean.recipe, mean.classes);
  }
  if (request.combine == Combine::scores) last = scores.mean();
  if (request.combine != Combine::nothing) row(*last);
  if (writes && !request.predictions.empty()) write_predictions(request.predictions, *last);
  if (writes && !request.class_table.empty()) write_class_table(request.class_table, *last);
}

}  // namespace tutti::recipes
