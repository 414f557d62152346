#pragma once
// A model's scores on a set of clips, the same for every number of ranks.

#include <cstdint>
#include <span>

#include "data/shard_set.h"
#include "models/model.h"
#include "recipes/metrics.h"
#include "recipes/recipe.h"
#include "recipes/session.h"

namespace tutti::recipes {

struct Evaluation {
  std::int64_t count = 0;            // clips scored
  Metrics metrics;                   // classification_metrics, and last the loss; or of pre-training
  Scores scores;                     // what they were taken from
  std::vector<std::int64_t> groups;  // of each clip, ascending; a whole clip's is its record
};

// Evaluates the given records, sharing them out over the ranks; all ranks return the same. Batches are the
// same for every number of ranks, so the scores are too. Clips that are several records of one group
// count once, by their mean score. In pre-training the metrics are the means of the outputs, by the names of
// their heads, and there are no scores. Collective. The model is left in evaluation mode.
Evaluation evaluate(models::Model& model, const Recipe& recipe, const data::ShardSet& shards,
                    std::span<const std::int64_t> records, const Session& session);

}  // namespace tutti::recipes
