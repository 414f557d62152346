#include "recipes/metrics.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "base/counter_rng.h"
#include "base/error.h"

namespace tutti::recipes {
namespace {

// scikit-learn's own documentation examples.
TEST(Metrics, ScikitLearnsExamples) {
  const std::array scores{0.1, 0.4, 0.35, 0.8};
  const std::array positive{false, false, true, true};
  EXPECT_NEAR(*average_precision(scores, positive), 0.8333333333333333, 1e-15);
  EXPECT_NEAR(*roc_auc(scores, positive), 0.75, 1e-15);
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
  const Scores scores{2, {0.1, 0.2, std::numeric_limits<double>::quiet_NaN(), 0.3}, {1, 0, 0, 1}};
  try {
    classification_metrics(scores);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("clip 1, class 0"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tutti::recipes
