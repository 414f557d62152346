#pragma once
// A folder of shards, opened and checked, whose records are read by position from any thread.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/catalog.h"
#include "data/example.h"
#include "data/shard_file.h"
#include "data/shard_index.h"

namespace tutti::data {

class ShardSet {
 public:
  // Reads index.json, opens every shard, and checks sizes, counts and all bytes outside the records.
  // Throws Error that names the file and says what to do.
  static ShardSet open(const std::filesystem::path& folder);

  std::int64_t size() const { return index_.records(); }
  const std::filesystem::path& folder() const { return folder_; }
  const ShardIndex& index() const { return index_; }
  const Strings& classes() const { return index_.schema.classes; }
  const Strings& folds() const { return index_.schema.folds; }
  const RecordLayout& layout() const { return layout_; }

  // Of one record, in [0, size()).
  std::int16_t fold(std::int64_t record) const;
  std::int64_t frames(std::int64_t record) const;  // valid ones
  std::int64_t length(std::int64_t record) const;  // in steps, those that pad a spectrogram left out
  std::vector<Label> labels(std::int64_t record) const;
  std::string_view key(std::int64_t record) const;

  // The records of these folds, in order. Throws UsageError that lists the known folds for another name.
  std::vector<std::int64_t> records(std::span<const std::string> folds) const;

  // Steps [start, start + count) of a record, as stored: count * layout().step_bytes() bytes into `out`. A
  // spectrogram has layout().most_steps of them, a waveform length(record). Uses pread only: any number of
  // threads may call it. Verifies the checksum of the whole record the first time that this process reads
  // it. Throws Error that names file, record and key when it does not hold.
  void read(std::int64_t record, std::int64_t start, std::int64_t count, std::span<std::byte> out) const;

 private:
  struct Place {
    const ShardFile* shard;
    std::int64_t record;  // in the shard
  };
  Place place(std::int64_t record) const;

  std::filesystem::path folder_;
  ShardIndex index_;
  RecordLayout layout_;
  std::vector<ShardFile> shards_;
  std::vector<std::int64_t> first_;                         // record of each shard, and the end
  std::unique_ptr<std::atomic<std::uint64_t>[]> verified_;  // a bit a record
};

// Each record as one example, a group of its own.
std::vector<Example> whole_clips(const ShardSet& shards, std::span<const std::int64_t> records);

}  // namespace tutti::data
