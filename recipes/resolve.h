#pragma once
// What a recipe leaves to the data and to the machine, decided once and saved with the run.

#include <filesystem>

#include "data/shard_set.h"
#include "dist/communicator.h"
#include "recipes/recipe.h"

namespace tutti::recipes {

// Fills in the class count, the normalisation, the input's size, the precision and the metric that chooses
// the best checkpoint. Throws UsageError that names the key and both values when the shards were made with
// other features than the recipe's, are shorter, or have another number of classes.
void resolve(Recipe& recipe, const data::ShardSet& shards, const at::Device& device);

// Throws UsageError when the ranks hold different recipes.
void agree(const dist::Communicator& world, const Recipe& recipe);

// Makes the run's folder and saves the resolved recipe in it, or, where there is one already, checks that
// this is the same run: throws UsageError that lists the keys that differ. Values that `asked` leaves open
// ("auto" and the like) are taken from the saved recipe first, so that a run continues with what it
// started with. Returns the resolved recipe. Collective: one rank touches the folder.
Recipe open_run(const std::filesystem::path& folder, Recipe asked, const data::ShardSet& shards,
                const at::Device& device, const dist::Communicator& world);

}  // namespace tutti::recipes
