#pragma once
// One shard, opened: everything but the records in memory, and a descriptor to read those from.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "data/catalog.h"
#include "data/feature_sums.h"
#include "data/shard_format.h"

namespace tutti::data {

class ShardFile {
 public:
  // Opens with HDF5, checks the format and the checksum of each dataset besides the records, and lets go
  // of HDF5: records are then read with pread, where its global lock plays no part.
  // Throws Error that names the file, and the dataset or attribute at fault.
  static ShardFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::string& kind() const { return kind_; }
  const FeatureOptions& features() const { return features_; }
  const RecordLayout& layout() const { return layout_; }
  std::int64_t classes() const { return classes_; }
  const FeatureSums& sums() const { return sums_; }

  std::int64_t size() const { return static_cast<std::int64_t>(length_.size()); }
  std::int64_t bytes() const { return bytes_; }    // of the file
  std::int64_t offset() const { return offset_; }  // of the first record
  std::int64_t records_bytes() const {
    return begin(size()) * static_cast<std::int64_t>(layout_.step_bytes());
  }

  // Of a record as it is stored, with what pads a spectrogram.
  std::int64_t steps(std::int64_t record) const { return begin(record + 1) - begin(record); }
  std::size_t record_bytes(std::int64_t record) const {
    return static_cast<std::size_t>(steps(record)) * layout_.step_bytes();
  }

  std::int16_t fold(std::int64_t record) const { return fold_[static_cast<std::size_t>(record)]; }
  // Valid frames of a spectrogram, samples of a waveform.
  std::int32_t length(std::int64_t record) const { return length_[static_cast<std::size_t>(record)]; }
  std::uint64_t checksum(std::int64_t record) const { return xxh3_[static_cast<std::size_t>(record)]; }
  std::vector<Label> labels(std::int64_t record) const;
  std::string_view key(std::int64_t record) const;

  // Throws Error when a record's fold has no name in the list.
  void check_folds(const Strings& folds) const;

  // Bytes [begin, begin + out.size()) of a record, unverified. Throws Error that names the file.
  void read(std::int64_t record, std::size_t begin, std::span<std::byte> out) const;

 private:
  // Where a record begins, in steps from the first record on.
  std::int64_t begin(std::int64_t record) const {
    return layout_.ragged ? begin_[static_cast<std::size_t>(record)] : record * layout_.most_steps;
  }

  std::filesystem::path path_;
  Descriptor descriptor_;
  std::int64_t bytes_ = 0;
  std::int64_t offset_ = 0;

  std::string kind_;
  FeatureOptions features_;
  RecordLayout layout_;
  std::int64_t classes_ = 0;
  FeatureSums sums_;

  std::vector<std::int64_t> begin_;  // of each record, and the end; empty where records are of one length
  std::vector<std::int32_t> length_;
  std::vector<std::int16_t> fold_;
  std::vector<std::int64_t> label_offset_;
  std::vector<std::int32_t> label_index_;
  std::vector<float> label_weight_;  // empty: all 1
  std::vector<char> keys_;           // key_size_ bytes a record, padded with NUL
  std::size_t key_size_ = 0;
  std::vector<std::uint64_t> xxh3_;
};

}  // namespace tutti::data
