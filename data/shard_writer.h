#pragma once
// Writes one shard: an HDF5 file that is byte for byte a function of its arguments.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/catalog.h"
#include "data/feature_sums.h"
#include "data/shard_format.h"

namespace tutti::data {

struct ShardRecord {
  std::string key;  // UTF-8, names the clip in messages: its path, say
  std::int16_t fold = 0;
  std::int32_t length = 0;  // valid frames of a spectrogram, samples of a waveform
  std::vector<Label> labels;
  std::vector<std::byte> values;  // what is stored: whole steps of record_layout(schema)
  FeatureSums sums = {};          // over the valid frames
};

// The frames whose sums a shard keeps: those of fold 0 or, where no clip of the data set is in it, all.
enum class StatisticsOf { fold_0, all };

// Writes under a temporary name in the same folder, syncs and renames, so `path` is whole or absent.
// Takes all records at once, because how many there are is known only when every clip has been read
// (unreadable ones are dropped) and the contiguous layout needs the number first; a shard is small enough
// (records_per_shard times the bytes of a record). Throws Error that names the file, and the record's key
// where one is at fault: a label or fold outside the schema, a length beyond the record, a value that is not
// finite.
void write_shard(const std::filesystem::path& path, const ShardSchema& schema,
                 std::span<const ShardRecord> records, StatisticsOf statistics = StatisticsOf::fold_0);

}  // namespace tutti::data
