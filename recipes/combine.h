#pragma once
// Several trained models as one: the mean of their weights, or the mean of their scores.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "recipes/model_file.h"
#include "recipes/score.h"
#include "recipes/session.h"

namespace tutti::recipes {

// The uniform mean of the parameters of models (Gong et al. 2021, section 3.1: of the checkpoints of
// several epochs), summed in float64. Only the sum is kept.
class WeightMean {
 public:
  // Throws Error that names both files and the key where the models differ: in classes, in loss.name, or in
  // [model] and [features], of which model.init and init_skip say nothing of the model.
  void add(const TrainedModel& trained);

  // Gives the mean to a model that was added.
  void assign_to(TrainedModel& trained) const;

  std::int64_t count() const { return count_; }

 private:
  std::optional<TrainedModel> first_;  // without its model
  std::vector<at::Tensor> sums_;       // float64, in the order of registration
  std::int64_t count_ = 0;
};

// The mean over models of the score of each clip and class (sigmoid or softmax, Gong et al. 2021, section
// 3.1). The models may differ in everything but their classes.
class ScoreMean {
 public:
  // Throws Error that names both models where they differ in classes or were scored on other clips.
  void add(const ScoredModel& scored);

  // Metrics of the mean scores, and their loss as loss_of_scores() has it where the models share one.
  ScoredModel mean() const;

 private:
  std::optional<ScoredModel> first_;
  std::vector<double> sums_;
  std::int64_t count_ = 0;
};

// The loss of scores that are no model's, in float64. ce: the mean over clips of -sum_c t_c log score_c, with
// t normalised to sum 1; bce: the mean over clips and classes of the binary cross-entropy. Logarithms are at
// least -100, as in torch.nn.BCELoss.
double loss_of_scores(const std::string& loss, const Scores& scores);

enum class Combine { nothing, weights, scores };

struct EvaluationRequest {
  Strings checkpoints;
  ScoringOptions scoring;
  Combine combine = Combine::nothing;
  // Written where not empty:
  std::filesystem::path save;         // the folder of a checkpoint: the model of mean weights
  std::filesystem::path predictions;  // of the combination, or of the one checkpoint
  std::filesystem::path class_table;  // likewise
};

// Scores each checkpoint and then, where asked for, the combination; `row` hears of each when it is done.
// Holds one model at a time. Collective; rank 0 writes. Throws UsageError, before any work, where something
// that shall be written cannot be or would not be of one model.
void evaluate_checkpoints(const EvaluationRequest& request, const Session& session, const Log& log,
                          const std::function<void(const ScoredModel&)>& row);

}  // namespace tutti::recipes
