#pragma once
// What scores say of each class: precision and recall, confusions, precision-recall curves.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "recipes/metrics.h"

namespace tutti::recipes {

struct ClassScore {
  std::string name;
  double score = 0;
};

struct ClassResult {
  std::string name;
  std::int64_t clips = 0;  // that carry the label
  // Of the class with the highest score, where every clip has exactly one class.
  std::optional<double> precision = {}, recall = {}, f1 = {};
  std::optional<double> average_precision = {}, auc = {};
  std::vector<PrecisionRecall> curve;
};

struct ClassReport {
  std::vector<ClassResult> classes;
  std::vector<PrecisionRecall> pooled;  // over all pairs of clip and class
  // Where every clip has exactly one class: clips by true class, then by the class with the highest score.
  std::optional<std::vector<std::vector<std::int64_t>>> confusion;
};

ClassReport describe_classes(const Scores& scores, const Strings& names);

// How wrong each clip's scores are: the mean cross-entropy of its true classes where each clip has one, else
// the mean binary cross-entropy over the classes.
std::vector<double> clip_losses(const Scores& scores);

// The one class of each clip; nothing where some clip has none or several.
std::optional<std::vector<std::int64_t>> single_classes(const Scores& scores);

// The class with the highest score; of equal ones the first.
std::int64_t highest(const Scores& scores, std::int64_t clip);

}  // namespace tutti::recipes
