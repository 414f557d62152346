#include "recipes/metrics.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <numeric>

#include "base/error.h"

namespace tutti::recipes {
namespace {

// Counts of positives and negatives at each distinct score, from the highest down.
struct Threshold {
  double positives = 0;
  double negatives = 0;
};

std::vector<Threshold> thresholds(std::span<const double> scores, std::span<const bool> positive) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<Threshold> steps;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || scores[order[i]] != scores[order[i - 1]]) steps.emplace_back();
    ++(positive[order[i]] ? steps.back().positives : steps.back().negatives);
  }
  return steps;
}

double total(const std::vector<Threshold>& steps, double Threshold::*kind) {
  double sum = 0;
  for (const auto& step : steps) sum += step.*kind;
  return sum;
}

void add_accuracy(const Scores& scores, Metrics& metrics) {
  const auto classes = static_cast<std::size_t>(scores.classes);
  const auto clips = static_cast<std::size_t>(scores.clips());
  double first = 0, within_five = 0;
  for (std::size_t clip = 0; clip < clips; ++clip) {
    const auto score = std::span(scores.score).subspan(clip * classes, classes);
    const auto target = std::span(scores.target).subspan(clip * classes, classes);
    if (std::ranges::count_if(target, [](float t) { return t > 0.5F; }) != 1) return;
    const auto truth = static_cast<std::size_t>(
        std::ranges::find_if(target, [](float t) { return t > 0.5F; }) - target.begin());
    const auto higher = std::ranges::count_if(score, [&](double s) { return s > score[truth]; });
    const auto tied_below = std::ranges::count(score.first(truth), score[truth]);
    const auto tied_above = std::ranges::count(score.subspan(truth + 1), score[truth]);
    first += higher + tied_below == 0;
    within_five += higher + tied_above < 5;
  }
  metrics.emplace_back("accuracy", first / static_cast<double>(clips));
  if (classes > 5) metrics.emplace_back("top5", within_five / static_cast<double>(clips));
}

struct Mean {
  double sum = 0;
  double count = 0;
  void add(std::optional<double> value) {
    if (!value) return;
    sum += *value;
    ++count;
  }
};

}  // namespace

std::optional<double> average_precision(std::span<const double> scores, std::span<const bool> positive) {
  const auto steps = thresholds(scores, positive);
  const double all = total(steps, &Threshold::positives);
  if (all == 0) return std::nullopt;
  double area = 0, true_positives = 0, predicted = 0;
  for (const auto& step : steps) {
    true_positives += step.positives;
    predicted += step.positives + step.negatives;
    area += step.positives / all * (true_positives / predicted);
  }
  return area;
}

std::vector<PrecisionRecall> precision_recall(std::span<const double> scores,
                                              std::span<const bool> positive) {
  const auto steps = thresholds(scores, positive);
  const double all = total(steps, &Threshold::positives);
  std::vector<PrecisionRecall> curve;
  if (all == 0) return curve;
  double true_positives = 0, predicted = 0;
  for (const auto& step : steps) {
    true_positives += step.positives;
    predicted += step.positives + step.negatives;
    curve.push_back({true_positives / all, true_positives / predicted});
  }
  return curve;
}

std::optional<double> roc_auc(std::span<const double> scores, std::span<const bool> positive) {
  const auto steps = thresholds(scores, positive);
  const double positives = total(steps, &Threshold::positives);
  const double negatives = total(steps, &Threshold::negatives);
  if (positives == 0 || negatives == 0) return std::nullopt;
  double area = 0, above = 0;  // positives with a higher score than the negatives at hand
  for (const auto& step : steps) {
    area += step.negatives * (above + 0.5 * step.positives);
    above += step.positives;
  }
  return area / (positives * negatives);
}

double d_prime(double auc) {
  return std::numbers::sqrt2 * torch::special::ndtri(torch::tensor(auc, torch::kFloat64)).item<double>();
}

Metrics classification_metrics(const Scores& scores) {
  for (std::size_t i = 0; i < scores.score.size(); ++i) {
    if (std::isfinite(scores.score[i])) continue;
    const auto classes = static_cast<std::size_t>(scores.classes);
    throw Error(text("score ", scores.score[i], " of clip ", i / classes, ", class ", i % classes),
                "a metric of it would mean nothing", "The model's weights or its input are not finite.");
  }
  Metrics metrics;
  if (scores.clips() == 0) return metrics;
  add_accuracy(scores, metrics);

  const auto classes = static_cast<std::size_t>(scores.classes);
  const auto clips = static_cast<std::size_t>(scores.clips());
  std::vector<double> column(clips);
  const auto positive = std::make_unique<bool[]>(clips);
  Mean precision, area;
  for (std::size_t c = 0; c < classes; ++c) {
    for (std::size_t clip = 0; clip < clips; ++clip) {
      column[clip] = scores.score[clip * classes + c];
      positive[clip] = scores.target[clip * classes + c] > 0.5F;
    }
    precision.add(average_precision(column, {positive.get(), clips}));
    area.add(roc_auc(column, {positive.get(), clips}));
  }
  if (precision.count > 0) metrics.emplace_back("map", precision.sum / precision.count);
  if (area.count > 0) {
    metrics.emplace_back("auc", area.sum / area.count);
    metrics.emplace_back("dprime", d_prime(area.sum / area.count));
  }
  return metrics;
}

std::int64_t classes_without_clips(const Scores& scores) {
  const auto classes = static_cast<std::size_t>(scores.classes);
  std::vector<bool> has_clips(classes);
  for (std::size_t i = 0; i < scores.target.size(); ++i)
    if (scores.target[i] > 0.5F) has_clips[i % classes] = true;
  return std::ranges::count(has_clips, false);
}

std::optional<double> find_metric(const Metrics& metrics, const std::string& name) {
  const auto found = std::ranges::find(metrics, name, &Metrics::value_type::first);
  return found == metrics.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace tutti::recipes
