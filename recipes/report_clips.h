#pragma once
// The clips of a report: pictures of what the model sees and where its head looks, and the sounds.

#include <span>
#include <vector>

#include "data/shard_set.h"
#include "models/model.h"
#include "recipes/recipe.h"
#include "recipes/report.h"
#include "recipes/session.h"

namespace tutti::recipes {

// Spectrogram and attention of each clip, whose records are given in the same order.
void add_pictures(std::vector<ShownClip>& clips, std::span<const std::int64_t> records, models::Model& model,
                  const Recipe& recipe, const data::ShardSet& shards, const Session& session);

// The sound files that the shards were made from, where they are still at hand and small. Returns why there
// are none, or an empty string.
std::string add_sounds(std::vector<ShownClip>& clips, const data::ShardSet& shards);

}  // namespace tutti::recipes
