#pragma once
// Clips that are longer than a model's input, as several examples each.

#include <cstdint>
#include <span>
#include <vector>

#include "data/shard_set.h"

namespace tutti::data {

// Each record as a group of windows of so many frames, one every `hop` (in [1, frames]) of its valid frames;
// the last one ends where the record does. A record that is not longer is one example.
std::vector<Example> clip_windows(const ShardSet& shards, std::span<const std::int64_t> records,
                                  std::int64_t frames, std::int64_t hop);

}  // namespace tutti::data
