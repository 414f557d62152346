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
  // What a record is. "spectrogram": float16 [frames, mels], raw log-mel, the floor beyond the clip.
  std::string kind = "spectrogram";
  FeatureOptions features = {};  // frames: of a record. padding is the front end's business and not stored
  Strings classes = {};          // names, by label index
  Strings folds = {};            // names, by fold number
};

// The stored feature settings: fields(features) without those that do not shape a record.
Fields stored_fields(FeatureOptions& features);

// Throws Error when a record of this kind cannot be stored.
std::size_t record_bytes(const ShardSchema& schema);

// "NAME-00002-of-00004.h5"
std::string shard_file_name(const std::string& name, std::int64_t number, std::int64_t count);

// Sums over the valid frames of fold 0 (or of all), kept by shard, so that the statistics of a data set do
// not depend on who wrote which shard.
struct FeatureSums {
  double sum = 0;
  double squares = 0;
  std::int64_t frames = 0;
};

}  // namespace tutti::data
