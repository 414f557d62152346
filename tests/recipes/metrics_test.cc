#include "recipes/metrics.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/counter_rng.h"
#include "base/error.h"
#include "models/weights.h"
#include "tests/models/formula.h"

namespace tutti::recipes {
namespace {

// scikit-learn's own documentation examples.
TEST(Metrics, ScikitLearnsExamples) {
  const std::array scores{0.1, 0.4, 0.35, 0.8};
  const std::array positive{false, false, true, true};
  EXPECT_NEAR(*average_precision(scores, positive), 0.8333333333333333, 1e-15);
  EXPECT_NEAR(*roc_auc(scores, positive), 0.75, 1e-15);
}

// The cases of tests/golden/make_metrics.py, which says what the numbers are.
struct GoldenCase {
  std::string name;
  std::int64_t clips, classes;
  double levels, share;
  std::int64_t low, high;
};

const std::vector<GoldenCase> kGolden{{"labels", 300, 12, 0, 0.2, 0, 0},
                                      {"labels_tied", 300, 12, 6, 0.2, 0, 0},
                                      {"labels_rare", 3000, 4, 200, 0.002, 0, 0},
                                      {"labels_absent", 100, 9, 10, 0.3, 3, 2},
                                      {"labels_equal_scores", 60, 7, 1, 0.4, 0, 0},
                                      {"labels_one_class", 80, 1, 20, 0.5, 0, 0},
                                      {"labels_one_clip", 1, 8, 0, 0.5, 0, 0},
                                      {"single", 400, 10, 0, 0, 0, 10},
                                      {"single_tied", 400, 10, 4, 0, 0, 10},
                                      {"single_absent", 200, 12, 30, 0, 4, 9},
                                      {"single_only_one", 50, 8, 5, 0, 6, 7},
                                      {"single_equal_scores", 90, 9, 1, 0, 0, 9},
                                      {"single_few_classes", 150, 3, 8, 0, 0, 3},
                                      {"single_one_class", 20, 1, 0, 0, 0, 1}};

Scores golden_scores(const GoldenCase& c) {
  const auto unit = [&](const std::string& name, at::IntArrayRef shape) {
    return (models::formula_tensor(c.name + "." + name, shape).to(at::kDouble) + 1) / 2;
  };
  at::Tensor target;
  if (c.share > 0) {
    target = unit("targets", {c.clips, c.classes}) < c.share;
    target.slice(1, 0, c.low).fill_(false);
    target.slice(1, c.classes - c.high).fill_(true);
  } else {
    const auto truth = (unit("targets", {c.clips}) * (c.high - c.low)).floor() + c.low;
    target = truth.unsqueeze(1) == at::arange(c.classes);
  }
  auto score = (3 * unit("scores", {c.clips, c.classes}) + target) / 4;
  if (c.levels > 0) score = (score * c.levels).floor();
  target = target.to(at::kFloat);
  const auto list = [](auto first, const at::Tensor& values) {
    return std::vector(first, first + values.numel());
  };
  return {c.classes, list(score.const_data_ptr<double>(), score),
          list(target.const_data_ptr<float>(), target)};
}

TEST(MetricsGolden, EqualScikitLearns) {
  const auto golden = models::load_tensors("tests/golden/metrics.safetensors").tensors;
  for (const auto& item : kGolden) {
    const Scores scores = golden_scores(item);
    // NaN where a class has no value.
    const auto expect_class = [&](const std::string& name, std::int64_t c, std::optional<double> found) {
      const auto expected = golden.at(item.name + "." + name)[c].item<double>();
      ASSERT_EQ(found.has_value(), !std::isnan(expected)) << item.name << ' ' << name << " of class " << c;
      if (!found) return;
      EXPECT_NEAR(*found, expected, 1e-12) << item.name << ' ' << name << " of class " << c;
    };
    const auto clips = static_cast<std::size_t>(item.clips);
    std::vector<double> column(clips);
    const auto positive = std::make_unique<bool[]>(clips);
    for (std::int64_t c = 0; c < item.classes; ++c) {
      for (std::size_t clip = 0; clip < clips; ++clip) {
        const auto at = clip * static_cast<std::size_t>(item.classes) + static_cast<std::size_t>(c);
        column[clip] = scores.score[at];
        positive[clip] = scores.target[at] == 1;
      }
      expect_class("average_precision", c, average_precision(column, {positive.get(), clips}));
      expect_class("roc_auc", c, roc_auc(column, {positive.get(), clips}));
    }
    const auto metrics = classification_metrics(scores);
    for (const std::string name : {"accuracy", "top5", "map", "auc", "dprime"}) {
      const auto expected = golden.find(item.name + "." + name);
      const auto found = find_metric(metrics, name);
      ASSERT_EQ(found.has_value(), expected != golden.end()) << item.name << ' ' << name;
      if (!found) continue;
      EXPECT_NEAR(*found, expected->second.item<double>(), 1e-12) << item.name << ' ' << name;
    }
  }
}

// AUC by its meaning: the chance that a positive scores above a negative, ties half.
TEST(Metrics, AucCountsPairs) {
  CounterRng rng(1);
  std::vector<double> scores;
  std::array<bool, 60> positive{};
  for (std::size_t i = 0; i < positive.size(); ++i) {
    scores.push_back(static_cast<double>(rng.integer(8)));  // many ties
    positive[i] = rng.uniform() < 0.3;
  }
  double won = 0, pairs = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    for (std::size_t j = 0; j < scores.size(); ++j) {
      if (!positive[i] || positive[j]) continue;
      won += scores[i] > scores[j] ? 1.0 : scores[i] == scores[j] ? 0.5 : 0.0;
      ++pairs;
    }
  }
  EXPECT_NEAR(*roc_auc(scores, positive), won / pairs, 1e-14);
}

TEST(Metrics, TiedScoresShareOneThreshold) {
  const std::array scores{0.5, 0.5, 0.5, 0.5};
  const std::array positive{true, false, false, false};
  EXPECT_DOUBLE_EQ(*average_precision(scores, positive), 0.25);
  EXPECT_DOUBLE_EQ(*roc_auc(scores, positive), 0.5);
}

TEST(Metrics, NoValueWhereTheClassIsAbsent) {
  const std::array scores{0.1, 0.9};
  const std::array none{false, false};
  const std::array all{true, true};
  EXPECT_FALSE(average_precision(scores, none));
  EXPECT_FALSE(roc_auc(scores, none));
  EXPECT_FALSE(roc_auc(scores, all));
  EXPECT_DOUBLE_EQ(*average_precision(scores, all), 1.0);
}

// Gong et al. 2021 report mAUC 0.9786 and d' 2.864 for the same run.
TEST(Metrics, DPrimeOfAPublishedArea) { EXPECT_NEAR(d_prime(0.9786), 2.864, 0.003); }

TEST(Metrics, AccuracyOnlyWhereEachClipHasOneClass) {
  const Scores one{
      7, {0.1, 0.2, 0.9, 0, 0, 0, 0, 0.3, 0.3, 0, 0, 0, 0, 0}, {0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}};
  const auto metrics = classification_metrics(one);
  EXPECT_DOUBLE_EQ(*find_metric(metrics, "accuracy"), 0.5);  // of equal scores the lower class wins
  EXPECT_DOUBLE_EQ(*find_metric(metrics, "top5"), 1.0);
  const Scores many{2, {0.1, 0.2, 0.9, 0.3}, {1, 1, 0, 1}};
  EXPECT_FALSE(find_metric(classification_metrics(many), "accuracy"));
  EXPECT_TRUE(find_metric(classification_metrics(many), "map"));
}

TEST(Metrics, ScoresThatAreNotFiniteAreRefused) {
  using Limits = std::numeric_limits<double>;
  for (const double bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()}) {
    const auto message = models::message_of([&] {
      classification_metrics({2, {0.1, 0.2, bad, 0.3}, {1, 0, 0, 1}});
    });
    EXPECT_NE(message.find("clip 1, class 0"), message.npos) << message;
  }
}

}  // namespace
}  // namespace tutti::recipes
