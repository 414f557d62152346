#include "recipes/class_report.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

namespace tutti::recipes {
namespace {

template <class T>
std::span<const T> row(const std::vector<T>& values, const Scores& scores, std::int64_t clip) {
  const auto classes = static_cast<std::size_t>(scores.classes);
  return std::span(values).subspan(static_cast<std::size_t>(clip) * classes, classes);
}

double quotient(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// Scores of some pairs of clip and class, with whether the class is the clip's.
struct Pairs {
  explicit Pairs(std::size_t count) : score(count), positive(std::make_unique<bool[]>(count)) {}
  std::span<const bool> truth() const { return {positive.get(), score.size()}; }

  std::vector<double> score;
  std::unique_ptr<bool[]> positive;  // std::vector<bool> has no span
};

Pairs column(const Scores& scores, std::size_t c) {
  const auto clips = static_cast<std::size_t>(scores.clips());
  const auto classes = static_cast<std::size_t>(scores.classes);
  Pairs pairs(clips);
  for (std::size_t clip = 0; clip < clips; ++clip) {
    pairs.score[clip] = scores.score[clip * classes + c];
    pairs.positive[clip] = scores.target[clip * classes + c] > 0.5F;
  }
  return pairs;
}

void add_confusion(ClassReport& report, const Scores& scores, const std::vector<std::int64_t>& truth) {
  const auto classes = static_cast<std::size_t>(scores.classes);
  auto& confusion = report.confusion.emplace(classes, std::vector<std::int64_t>(classes));
  for (std::int64_t clip = 0; clip < scores.clips(); ++clip) {
    ++confusion[static_cast<std::size_t>(truth[static_cast<std::size_t>(clip)])]
               [static_cast<std::size_t>(highest(scores, clip))];
  }
  for (std::size_t c = 0; c < classes; ++c) {
    std::int64_t predicted = 0;
    for (const auto& of_truth : confusion) predicted += of_truth[c];
    const auto right = confusion[c][c];
    auto& result = report.classes[c];
    if (predicted > 0) result.precision = quotient(right, predicted);
    if (result.clips > 0) result.recall = quotient(right, result.clips);
    if (predicted + result.clips > 0) result.f1 = quotient(2 * right, predicted + result.clips);
  }
}

}  // namespace

std::int64_t highest(const Scores& scores, std::int64_t clip) {
  const auto score = row(scores.score, scores, clip);
  return std::ranges::max_element(score) - score.begin();
}

std::optional<std::vector<std::int64_t>> single_classes(const Scores& scores) {
  std::vector<std::int64_t> result;
  for (std::int64_t clip = 0; clip < scores.clips(); ++clip) {
    const auto target = row(scores.target, scores, clip);
    const auto positive = [](float t) { return t > 0.5F; };
    if (std::ranges::count_if(target, positive) != 1) return std::nullopt;
    result.push_back(std::ranges::find_if(target, positive) - target.begin());
  }
  return result;
}

ClassReport describe_classes(const Scores& scores, const Strings& names) {
  ClassReport report;
  const auto classes = static_cast<std::size_t>(scores.classes);
  for (std::size_t c = 0; c < classes; ++c) {
    const auto pairs = column(scores, c);
    report.classes.push_back({.name = names.at(c),
                              .clips = std::ranges::count(pairs.truth(), true),
                              .average_precision = average_precision(pairs.score, pairs.truth()),
                              .auc = roc_auc(pairs.score, pairs.truth()),
                              .curve = precision_recall(pairs.score, pairs.truth())});
  }
  Pairs all(scores.score.size());
  all.score = scores.score;
  for (std::size_t i = 0; i < scores.target.size(); ++i) all.positive[i] = scores.target[i] > 0.5F;
  report.pooled = precision_recall(all.score, all.truth());
  if (const auto truth = single_classes(scores)) add_confusion(report, scores, *truth);
  return report;
}

std::vector<double> clip_losses(const Scores& scores) {
  constexpr double least = 1e-12;  // a score of 0 has no logarithm
  const auto truth = single_classes(scores);
  std::vector<double> losses;
  for (std::int64_t clip = 0; clip < scores.clips(); ++clip) {
    const auto score = row(scores.score, scores, clip);
    if (truth) {
      const auto c = static_cast<std::size_t>((*truth)[static_cast<std::size_t>(clip)]);
      losses.push_back(-std::log(std::max(score[c], least)));
      continue;
    }
    const auto target = row(scores.target, scores, clip);
    double loss = 0;
    for (std::size_t c = 0; c < score.size(); ++c)
      loss -= std::log(std::max(target[c] > 0.5F ? score[c] : 1 - score[c], least));
    losses.push_back(loss / static_cast<double>(score.size()));
  }
  return losses;
}

}  // namespace tutti::recipes
