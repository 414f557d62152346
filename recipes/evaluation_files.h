#pragma once
// What an evaluation leaves on disk: predictions (HDF5) and a table of its classes (CSV).

#include <filesystem>

#include "recipes/score.h"

namespace tutti::recipes {

// Throws UsageError where the folder for such a file is not there: before hours of work, not after.
void check_place(const std::filesystem::path& file);

// docs/evaluation.md. The file appears at once.
void write_predictions(const std::filesystem::path& file, const ScoredModel& scored);

// A line a class: class, clips, average_precision, auc, and where every clip has exactly one class precision
// and recall. What has no value is empty. The file appears at once.
void write_class_table(const std::filesystem::path& file, const ScoredModel& scored);

}  // namespace tutti::recipes
