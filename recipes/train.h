#pragma once
// The main job: data-parallel training, from a recipe to a run folder.

#include <filesystem>
#include <functional>
#include <optional>

#include "dist/communicator.h"
#include "recipes/console.h"
#include "recipes/recipe.h"

namespace tutti::recipes {

enum class TrainOutcome { finished, stopped_by_signal };

// Trains, or goes on where an earlier call with the same recipe and folder stopped. Collective.
//   max_steps: stop there with a checkpoint, as if finished; changes neither schedule nor recipe.
//   first_step_done: called once, when reading, connecting and warming up are over.
// Throws UsageError for a recipe that does not fit the data, the ranks or the folder's run, and Error when
// the loss or a gradient is no longer finite (the last checkpoint stays).
TrainOutcome train(const Recipe& recipe, const std::filesystem::path& folder,
                   std::optional<std::int64_t> max_steps, const dist::Communicator& world,
                   const Console& console, const std::function<void()>& first_step_done = {});

}  // namespace tutti::recipes
