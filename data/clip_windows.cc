#include "data/clip_windows.h"

#include <algorithm>

namespace tutti::data {

std::vector<Example> clip_windows(const ShardSet& shards, std::span<const std::int64_t> records,
                                  std::int64_t frames, std::int64_t hop) {
  std::vector<Example> examples;
  for (const std::int64_t record : records) {
    const std::int64_t length = shards.frames(record);
    const std::int64_t last = std::max<std::int64_t>(0, length - frames);  // where the last window starts
    for (std::int64_t start = 0;; start = std::min(start + hop, last)) {
      examples.push_back({.record = record,
                          .start = static_cast<std::int32_t>(start),
                          .length = static_cast<std::int32_t>(std::min(frames, length)),
                          .group = record});
      if (start == last) break;
    }
  }
  return examples;
}

}  // namespace tutti::data
