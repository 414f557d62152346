#pragma once
// What a recipe leaves to the data and to the machine, decided once and saved with the run.

#include <filesystem>

#include "base/file_lock.h"
#include "data/shard_set.h"
#include "dist/communicator.h"
#include "recipes/model_file.h"
#include "recipes/recipe.h"

namespace tutti::recipes {

// Fills in the class count, the normalisation, the precision and the metric that chooses the best checkpoint.
// Throws UsageError that names the key and both values when the shards were made with other features than the
// recipe's, or have another number of classes. Their clips may be longer or shorter than the model's input.
void resolve(Recipe& recipe, const data::ShardSet& shards, const at::Device& device);

// The same of a trained model. Throws UsageError that names the classes when it was trained on others.
void resolve(TrainedModel& trained, const data::ShardSet& shards, const at::Device& device);

// Throws UsageError when the global batch gives some rank no clip.
void check_ranks(const Recipe& recipe, int ranks);

// Throws UsageError when the ranks hold different recipes.
void agree(const dist::Communicator& world, const Recipe& recipe);

// The resolved recipe of the run in this folder. Where the folder holds a run already, what `asked` leaves
// open ("auto" and the like) is taken from the recipe saved there, so that a run continues with what it
// started with; throws UsageError that lists the keys when another one differs, or when the shards' clips are
// shorter than the model's input. Writes nothing. Collective: one rank reads the folder.
Recipe resolve_run(const std::filesystem::path& folder, Recipe asked, const data::ShardSet& shards,
                   const at::Device& device, const dist::Communicator& world);

// Makes the run's folder, and saves the recipe in it where there is none yet. No other process may write to
// the run while the lock lives: throws LockHeld that names the one that does, after a minute where its host
// is another, which may be lost. For one rank.
FileLock claim_run(const std::filesystem::path& folder, const Recipe& recipe);

}  // namespace tutti::recipes
