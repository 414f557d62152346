#pragma once
// What a model said of clips, as an HDF5 file: docs/evaluation.md.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fields.h"

namespace tutti::data {

struct Predictions {
  std::string model;               // which one it was, for a reader
  Strings classes;                 // C names
  Strings folds;                   // names by number
  Strings keys;                    // of N clips
  std::vector<std::int16_t> fold;  // [N], position in folds
  std::vector<float> score;        // [N, C]
  std::vector<float> target;       // [N, C]
};

// The file appears at once. Throws Error that names it, also where sizes do not agree.
void write_predictions(const std::filesystem::path& path, const Predictions& predictions);

}  // namespace tutti::data
