#pragma once
// Trained models on shards: the rows of `tutti evaluate`.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/shard_set.h"
#include "recipes/evaluate.h"
#include "recipes/model_file.h"
#include "recipes/session.h"

namespace tutti::recipes {

struct ScoringOptions {
  std::string data;  // folder of shards; empty: each recipe's
  Strings folds;     // empty: each recipe's test folds
  LongClips long_clips;
};

struct ScoredModel {
  std::string name;      // as the user called it
  std::string combined;  // "weights" or "scores" of several models; else empty
  Strings folds;         // that were scored
  Strings classes;
  std::string loss;  // loss.name of the recipe; empty: of models that differ in it
  Evaluation evaluation;
  Strings keys;                    // of each clip
  std::vector<std::int16_t> fold;  // of each clip: position in fold_names
  Strings fold_names;              // of the shards
};

// Scores one model after another, and opens the shards again only where another model has others.
class Scorer {
 public:
  Scorer(ScoringOptions options, const Session& session) : options_(std::move(options)), session_(session) {}

  // Moves the model to the session's device. Collective. Throws as resolve() and evaluate() do.
  ScoredModel operator()(const std::string& name, TrainedModel trained);

 private:
  ScoringOptions options_;
  const Session& session_;
  std::optional<data::ShardSet> shards_;
};

}  // namespace tutti::recipes
