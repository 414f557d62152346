#pragma once
// Classification metrics in float64, as scikit-learn defines them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tutti::recipes {

// Area under the precision-recall steps: sum over distinct thresholds of (R_n - R_{n-1}) P_n
// (sklearn.metrics.average_precision_score). Without a positive there is none.
std::optional<double> average_precision(std::span<const double> scores, std::span<const bool> positive);

// The steps themselves, from the highest threshold down (sklearn.metrics.precision_recall_curve, reversed).
// Empty without a positive.
struct PrecisionRecall {
  double recall = 0;
  double precision = 0;
};
std::vector<PrecisionRecall> precision_recall(std::span<const double> scores, std::span<const bool> positive);

// Area under the ROC curve with ties counted half (sklearn.metrics.roc_auc_score). There is none unless both
// kinds are there.
std::optional<double> roc_auc(std::span<const double> scores, std::span<const bool> positive);

// sqrt(2) times the inverse normal distribution at the area (Gong et al. 2021 take it at the class mean).
double d_prime(double auc);

// The scores of a set of clips, row by row, and which classes are theirs.
struct Scores {
  std::int64_t classes = 0;
  std::vector<double> score;  // [clips * classes]
  std::vector<float> target;  // [clips * classes]: positive above 0.5
  std::int64_t clips() const { return classes ? static_cast<std::int64_t>(score.size()) / classes : 0; }
};

using Metrics = std::vector<std::pair<std::string, double>>;

// What applies, in this order:
//   accuracy, top5 (over five classes): where every clip has exactly one class; of equal scores the
//     lower class wins in accuracy (argmax), the higher in top5 (sklearn.metrics.top_k_accuracy_score);
//   map, auc: means over the classes that have a value; dprime of the mean auc.
// Throws Error for a score that is not finite, naming row and class.
Metrics classification_metrics(const Scores& scores);

// How many classes no clip has: means over classes leave them out.
std::int64_t classes_without_clips(const Scores& scores);

std::optional<double> find_metric(const Metrics& metrics, const std::string& name);

}  // namespace tutti::recipes
