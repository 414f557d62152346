#pragma once
// Checkpoints: folders that appear at once, believed only when their manifest holds.
//
//   checkpoints/step-00001200/{model.safetensors, training_state.safetensors, state.json, MANIFEST.json}
//   checkpoints/{latest,best} -> step-00001200
//
// model.safetensors is complete in itself: its metadata carry the resolved recipe and the class names.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/log.h"
#include "models/model.h"
#include "recipes/optimizer.h"
#include "recipes/recipe.h"

namespace tutti::recipes {

inline constexpr auto kModelFile = "model.safetensors";

// Where a run is: state.json.
struct RunState {
  std::int64_t step = 0;             // steps done
  std::int64_t finished_epochs = 0;  // with their validation
  std::int64_t steps_per_epoch = 1;
  std::optional<double> best;  // value of checkpoint.best so far
};

// Throws Error that names the folder and the file when MANIFEST.json is missing or does not hold: a file is
// missing, of another size, or has another XXH3.
void verify_checkpoint(const std::filesystem::path& folder);

// The state.json of a checkpoint. Throws Error that names the file when it is not one.
RunState read_state(const std::filesystem::path& checkpoint);

// The names of a run's checkpoint folders, the oldest first.
Strings checkpoint_names(const std::filesystem::path& run);

// Writes a checkpoint folder that holds a model alone, from which training can start and which can be
// evaluated. It appears at once. Throws Error when something is there already.
void save_model(const std::filesystem::path& folder, const models::Model& model, const Recipe& recipe,
                const Strings& classes);

class Checkpoints {
 public:
  // The folder RUN/checkpoints; `writer` is true on one rank only: it removes what a killed run left
  // half-written.
  Checkpoints(std::filesystem::path folder, bool writer);

  // The newest checkpoint whose manifest holds; each that does not is reported as a warning.
  std::optional<std::filesystem::path> newest(const Log& log) const;

  // Writes beside, syncs, hashes, renames, then moves `latest` (and `best`). Throws Error when the disk
  // is full, say: earlier checkpoints are untouched then.
  void save(const models::Model& model, const Optimizer& optimizer, const Recipe& recipe,
            const Strings& classes, const RunState& state, bool best);

  // Deletes all but the newest `keep_last`, those that a link names, and those at the end of every
  // `keep_every_steps` steps (0: none).
  void prune(std::int64_t keep_last, std::int64_t keep_every_steps);

 private:
  std::filesystem::path folder_;
};

// Puts a checkpoint's weights and optimizer state back. Throws Error that names the file.
RunState restore(const std::filesystem::path& checkpoint, models::Model& model, Optimizer& optimizer);

// The metadata of a weight file, and back: "recipe" (TOML) and "classes" (JSON).
models::Metadata describe_model(const Recipe& recipe, const Strings& classes);

}  // namespace tutti::recipes
