#include "data/shard_writer.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "data/checksum.h"
#include "data/hdf5.h"
#include "data/hdf5_writer.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

// The rows of all records, as the datasets hold them.
struct Columns {
  std::vector<std::int32_t> length;
  std::vector<std::int16_t> fold;
  std::vector<std::int64_t> label_offset{0};
  std::vector<std::int32_t> label_index;
  std::vector<float> label_weight;  // empty: all 1
  std::vector<char> keys;
  std::size_t key_size = 1;
  std::vector<std::uint64_t> xxh3;
};

void check_record(const fs::path& path, const ShardSchema& schema, const ShardRecord& record) {
  const auto refuse = [&](const auto&... problem) {
    throw Error(text("cannot write '", record.key, "' to '", path.native(), "'"), text(problem...));
  };
  if (record.values.size() != record_bytes(schema)) {
    refuse("its values have ", record.values.size(), " bytes, a record has ", record_bytes(schema));
  }
  if (record.length < 0 || record.length > schema.features.frames) {
    refuse("length ", record.length, " lies outside [0, ", schema.features.frames, "]");
  }
  if (record.fold < 0 || record.fold >= std::ssize(schema.folds)) {
    refuse("fold ", record.fold, " lies outside [0, ", schema.folds.size(), ")");
  }
  for (const Label& label : record.labels) {
    if (label.index < 0 || label.index >= std::ssize(schema.classes)) {
      refuse("label ", label.index, " lies outside [0, ", schema.classes.size(), ")");
    }
    if (!std::isfinite(label.weight)) refuse("the weight of label ", label.index, " is ", label.weight);
  }
}

// Adds the valid frames where `counts`; looks at all values, because what is not finite would spoil training.
void add_features(const fs::path& path, const ShardSchema& schema, const ShardRecord& record, bool counts,
                  FeatureSums& sums) {
  const auto valid = static_cast<std::size_t>(record.length * schema.features.mels);
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < record.values.size() / sizeof(c10::Half); ++i) {
    c10::Half stored;
    std::memcpy(&stored, record.values.data() + i * sizeof stored, sizeof stored);
    const double value = static_cast<float>(stored);
    if (!std::isfinite(value)) {
      throw Error(text("cannot write '", record.key, "' to '", path.native(), "'"),
                  text("feature ", i % static_cast<std::size_t>(schema.features.mels), " of frame ",
                       i / static_cast<std::size_t>(schema.features.mels), " is ", value));
    }
    if (i < valid) {
      sum += value;
      squares += value * value;
    }
  }
  if (!counts) return;
  sums.sum += sum;
  sums.squares += squares;
  sums.frames += record.length;
}

Columns columns(std::span<const ShardRecord> records) {
  Columns all;
  bool weighted = false;
  for (const ShardRecord& record : records) {
    all.length.push_back(record.length);
    all.fold.push_back(record.fold);
    for (const Label& label : record.labels) {
      all.label_index.push_back(label.index);
      all.label_weight.push_back(label.weight);
      weighted |= label.weight != 1;
    }
    all.label_offset.push_back(std::ssize(all.label_index));
    all.key_size = std::max(all.key_size, record.key.size());
    all.xxh3.push_back(xxh3(record.values));
  }
  if (!weighted) all.label_weight.clear();
  all.keys.resize(all.key_size * records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::ranges::copy(records[i].key, all.keys.begin() + static_cast<std::ptrdiff_t>(i * all.key_size));
  }
  return all;
}

// A one-dimensional dataset with its checksum.
void column(Hdf5Writer& writer, const char* name, hid_t type, std::size_t count,
            std::span<const std::byte> bytes) {
  const std::array<hsize_t, 1> sizes = {count};
  const Hdf5Handle dataset = writer.dataset(name, type, sizes, bytes);
  const std::uint64_t checksum = xxh3(bytes);
  writer.attribute(dataset.get(), "xxh3", stored_type<std::uint64_t>(), &checksum);
}

template <class T>
void column(Hdf5Writer& writer, const char* name, const std::vector<T>& values) {
  column(writer, name, stored_type<T>(), values.size(), std::as_bytes(std::span(values)));
}

// The records, one after another at one place of the file.
void write_records(Hdf5Writer& writer, const ShardSchema& schema, std::span<const ShardRecord> all) {
  const std::array<hsize_t, 3> sizes = {all.size(), static_cast<hsize_t>(schema.features.frames),
                                        static_cast<hsize_t>(schema.features.mels)};
  const Hdf5Handle type = half_type();
  const Hdf5Handle dataset = writer.dataset("features", type.get(), sizes);
  const Hdf5Handle space = writer.own(H5Dget_space(dataset.get()), H5Sclose);
  const std::array<hsize_t, 3> one = {1, sizes[1], sizes[2]};
  const Hdf5Handle memory = writer.own(H5Screate_simple(3, one.data(), nullptr), H5Sclose);
  for (hsize_t i = 0; i < all.size(); ++i) {
    const std::array<hsize_t, 3> start = {i, 0, 0};
    writer.check(
        H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, one.data(), nullptr));
    writer.check(
        H5Dwrite(dataset.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, all[i].values.data()));
  }
}

void write(Hdf5Writer& writer, const ShardSchema& schema, std::span<const ShardRecord> records,
           const FeatureSums& sums) {
  writer.attribute("format_version", kShardFormatVersion);
  writer.attribute("kind", schema.kind);
  writer.attribute("classes", std::int64_t{std::ssize(schema.classes)});
  FeatureOptions features = schema.features;
  for (const Field& field : stored_fields(features)) {
    std::visit(
        [&](const auto* value) {
          if constexpr (requires { writer.attribute(field.name, *value); }) {
            writer.attribute(field.name, *value);
          } else {
            throw Error(text("cannot store the feature setting '", field.name, "'"), "it is a list");
          }
        },
        field.target);
  }
  writer.attribute("fold0_sum", sums.sum);
  writer.attribute("fold0_squares", sums.squares);
  writer.attribute("fold0_frames", sums.frames);

  const Columns all = columns(records);
  write_records(writer, schema, records);
  column(writer, "length", all.length);
  column(writer, "fold", all.fold);
  column(writer, "label_offset", all.label_offset);
  column(writer, "label_index", all.label_index);
  if (!all.label_weight.empty()) column(writer, "label_weight", all.label_weight);
  column(writer, "key", text_type(all.key_size).get(), records.size(), std::as_bytes(std::span(all.keys)));
  column(writer, "xxh3", all.xxh3);
}

}  // namespace

void write_shard(const fs::path& path, const ShardSchema& schema, std::span<const ShardRecord> records,
                 StatisticsOf statistics) {
  if (records.empty()) throw Error(text("cannot write '", path.native(), "'"), "it would hold no records");
  FeatureSums sums;
  for (const ShardRecord& record : records) {
    check_record(path, schema, record);
    add_features(path, schema, record, record.fold == 0 || statistics == StatisticsOf::all, sums);
  }
  write_hdf5(path, [&](Hdf5Writer& writer) { write(writer, schema, records, sums); });
}

}  // namespace tutti::data
