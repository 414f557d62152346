#pragma once
// Models of other projects: `tutti import` makes a checkpoint of one, `tutti export` one of a checkpoint.

#include <filesystem>

#include "base/log.h"
#include "recipes/model_file.h"

namespace tutti::recipes {

struct ImportOptions {
  std::filesystem::path source;   // a weight file, or a folder as Hugging Face's save_pretrained makes it
  std::filesystem::path recipe;   // empty: what the source says of itself
  Strings assignments;            // --set, of the recipe
  std::filesystem::path classes;  // class names: a line each, or a CSV file with a column display_name
  std::filesystem::path output;   // the checkpoint's folder
};

// Without a recipe, a folder of Hugging Face's tells all in its config.json and preprocessor_config.json; a
// weight file tells sizes, patches and classes by its tensors' shapes; where it has the 12 x 101 patches of
// the authors' AudioSet models, their normalisation, too; and where it comes from SSAST's pre-training, head,
// stride and clip size as in that. The log says what was taken, changed, left out, and left at its initial
// value. Throws Error that lists whatever has no counterpart, and UsageError for what remains unknown.
void import_model(const ImportOptions& options, const Log& log);

// model.safetensors, config.json and preprocessor_config.json in a new folder, for ASTForAudioClassification
// and ASTFeatureExtractor. Throws Error that says why where these cannot hold the model, or would hear
// otherwise.
void export_hugging_face(const TrainedModel& trained, const std::filesystem::path& folder);

// model.safetensors in a new folder, under the names of the authors' code in DataParallel.
void export_authors(const TrainedModel& trained, const std::filesystem::path& folder);

}  // namespace tutti::recipes
