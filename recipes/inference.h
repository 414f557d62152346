#pragma once
// Single files and tensors through a model: what `tutti predict`, `features` and `forward` do.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "recipes/class_report.h"
#include "recipes/console.h"
#include "recipes/model_file.h"

namespace tutti::recipes {

// The `top` highest of one clip's scores, the highest first.
std::vector<ClassScore> top_scores(const at::Tensor& scores_C, const Strings& classes, std::int64_t top);

// The `top` highest scores of a sound file, the highest first. Throws Error that names the file.
std::vector<ClassScore> predict(const TrainedModel& model, const std::filesystem::path& audio,
                                std::int64_t top);

// Writes one tensor a sound file, named by the path as given: raw log-mel [frames, mels] float32, or, with
// a recipe, what its model sees (cropped, padded and normalised). Files that cannot be read are reported
// and left out; returns how many. Throws Error when none could be read.
std::int64_t extract_features(const Strings& audio, const std::optional<Recipe>& recipe,
                              const std::filesystem::path& output, const Log& log);

// Reads the tensor `input` [batch, frames, mels] and writes `logits` [batch, classes], in evaluation mode.
// The input goes into the model untouched, in float32. Throws Error that names what does not fit.
void forward(const TrainedModel& model, const std::filesystem::path& input,
             const std::filesystem::path& output);

}  // namespace tutti::recipes
