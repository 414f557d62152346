#pragma once
// What a sampler yields: a stretch of one record.

#include <cstdint>

namespace tutti::data {

// A long clip is several examples of one group (windows, views); metrics average scores by group.
struct Example {
  std::int64_t record = 0;  // in the ShardSet
  std::int32_t start = 0;   // first frame
  std::int32_t length = 0;  // frames
  std::int64_t group = 0;
};

}  // namespace tutti::data
