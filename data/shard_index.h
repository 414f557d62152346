#pragma once
// index.json: what a folder of shards holds.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/feature_sums.h"
#include "data/shard_format.h"

namespace tutti::data {

struct ShardEntry {
  std::string file;  // in the same folder
  std::int64_t count = 0;
  std::int64_t bytes = 0;   // of the file
  std::int64_t offset = 0;  // of the first record in the file
  std::int64_t steps = 0;   // of all records
  std::uint64_t xxh3 = 0;   // of all bytes outside the records
  FeatureSums sums;
};

struct ShardIndex {
  std::string name;
  ShardSchema schema;
  std::vector<ShardEntry> shards;
  std::vector<std::int64_t> fold_counts;   // records, by fold
  std::vector<std::int64_t> class_counts;  // records that carry the label, by class
  Statistics statistics;                   // over the valid frames of fold 0; without it, of all

  std::int64_t records() const;
};

// Describes shards that write_shard has left in `folder`: opens each, reads all but the records. The
// result depends on the files alone. Throws Error when one is damaged or does not fit the schema.
ShardIndex describe_shards(const std::filesystem::path& folder, const std::string& name,
                           const ShardSchema& schema, const Strings& files);

// folder / "index.json", appearing at once. The same index gives the same bytes.
void write_index(const std::filesystem::path& folder, const ShardIndex& index);

// Throws Error that names the file, and the key, when it is missing, is not JSON, lacks a key, has
// another format_version, or does not have the checksum that it carries.
ShardIndex read_index(const std::filesystem::path& folder);

}  // namespace tutti::data
