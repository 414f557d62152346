#pragma once

#include <filesystem>
#include <vector>

#include "data/shard_file.h"
#include "data/shard_index.h"
#include "tests/fuzz/fuzz_target.h"

namespace tutti {

// Opens a shard and looks at all that it holds, then describes it for an index.
inline void read_shard(const std::filesystem::path& path) {
  data::ShardSchema schema;
  read_or_refuse([&] {
    const auto shard = data::ShardFile::open(path);
    for (std::int64_t record = 0; record < shard.size(); ++record) {
      shard.fold(record);
      shard.length(record);
      shard.checksum(record);
      shard.labels(record);
      shard.key(record);
      std::vector<std::byte> values(shard.record_bytes(record));
      shard.read(record, 0, values);
    }
    schema = {.kind = shard.kind(), .features = shard.features(), .classes = {}, .folds = {"train", "test"}};
    if (shard.classes() <= 100) schema.classes.resize(static_cast<std::size_t>(shard.classes()));
  });
  read_or_refuse(
      [&] { data::describe_shards(path.parent_path(), "set", schema, {path.filename().native()}); });
}

}  // namespace tutti
