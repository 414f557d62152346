#pragma once
// What the writer and the reader of shards agree on. docs/shards.md describes the format.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "data/features.h"

namespace tutti::data {

inline constexpr std::int64_t kShardFormatVersion = 1;

// What to do about a damaged shard, in messages.
inline constexpr std::string_view kWriteAgain =
    "Copy it again from where it is whole, or run tutti shard again";

// The common properties of the shards of one folder.
struct ShardSchema {
  // What a record is. "spectrogram": float16 [frames, mels], raw log-mel, the floor beyond the clip;
  // "waveform": int16 samples, as many as the clip has, full scale [-32768, 32767].
  std::string kind = "spectrogram";
  FeatureOptions features = {};  // frames: of a record. padding is the front end's business and not stored
  Strings classes = {};          // names, by label index
  Strings folds = {};            // names, by fold number
};

// The stored feature settings: fields(features) without those that do not shape a record.
Fields stored_fields(FeatureOptions& features);

// How the records of a kind lie in a shard. A record is a row of steps (the frames of a spectrogram, the
// samples of a waveform), and a step a row of 16-bit words.
struct RecordLayout {
  const char* dataset = "";     // which holds the records, one after another
  bool ragged = false;          // records differ in length, and the dataset `offset` tells where each begins
  std::int64_t words = 1;       // of a step
  std::int64_t most_steps = 0;  // of a record; where not ragged, of every one
  std::int64_t window = 1;      // steps that one frame takes
  std::int64_t shift = 1;       // steps from one frame's first to the next one's

  std::size_t step_bytes() const { return static_cast<std::size_t>(words) * 2; }
  std::int64_t frames(std::int64_t steps) const { return steps < window ? 0 : 1 + (steps - window) / shift; }
  std::int64_t steps(std::int64_t frames) const { return window + (frames - 1) * shift; }  // frames >= 1
};

// Throws Error when records of this kind cannot be stored.
RecordLayout record_layout(const ShardSchema& schema);

// "NAME-00002-of-00004.h5"
std::string shard_file_name(const std::string& name, std::int64_t number, std::int64_t count);

}  // namespace tutti::data
