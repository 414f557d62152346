#include "recipes/score.h"

#include <utility>

#include "recipes/resolve.h"

namespace tutti::recipes {

ScoredModel Scorer::operator()(const std::string& name, TrainedModel trained) {
  const auto folder = options_.data.empty() ? trained.recipe.data.shards : options_.data;
  if (!shards_ || shards_->folder() != folder) shards_ = data::ShardSet::open(folder);
  resolve(trained, *shards_, session_.device);
  ScoredModel scored{.name = name,
                     .combined = {},
                     .folds = options_.folds.empty() ? trained.recipe.data.test : options_.folds,
                     .classes = trained.classes,
                     .loss = trained.recipe.loss.name,
                     .evaluation = {},
                     .keys = {},
                     .fold = {},
                     .fold_names = shards_->folds()};
  trained.model->to(session_.device);
  scored.evaluation = evaluate(*trained.model, trained.recipe, *shards_, shards_->records(scored.folds),
                               session_, options_.long_clips);
  for (const auto record : scored.evaluation.groups) {
    scored.keys.emplace_back(shards_->key(record));
    scored.fold.push_back(shards_->fold(record));
  }
  return scored;
}

}  // namespace tutti::recipes
