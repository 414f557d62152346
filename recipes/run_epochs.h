#pragma once
// The checkpoints that a run has kept of its epochs.

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/fields.h"

namespace tutti::recipes {

// Counted from 1, both included.
struct EpochRange {
  std::int64_t first = 1;
  std::int64_t last = 1;
};

// "6-25", or "7". Throws UsageError that quotes the text.
EpochRange parse_epochs(const std::string& words);

// The folders of the checkpoints at the end of these epochs, in order. Others, in the middle of an epoch, are
// passed over. Throws Error that names the epochs of which none is there.
Strings checkpoints_of(const std::filesystem::path& run, const EpochRange& epochs);

}  // namespace tutti::recipes
