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
  std::vector<std::int64_t> offset{0};  // of ragged records, in steps
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
  const RecordLayout layout = record_layout(schema);
  const std::int64_t least = layout.ragged ? 1 : 0;
  if (record.length < least || record.length > layout.most_steps) {
    refuse("length ", record.length, " lies outside [", least, ", ", layout.most_steps, "]");
  }
  const std::int64_t steps = layout.ragged ? record.length : layout.most_steps;
  const std::size_t bytes = static_cast<std::size_t>(steps) * layout.step_bytes();
  if (record.values.size() != bytes) {
    refuse("its values have ", record.values.size(), " bytes, a record has ", bytes);
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

// Of float16 values: what is not finite would spoil training.
void check_finite(const fs::path& path, const ShardSchema& schema, const ShardRecord& record) {
  for (std::size_t i = 0; i < record.values.size() / sizeof(c10::Half); ++i) {
    c10::Half stored;
    std::memcpy(&stored, record.values.data() + i * sizeof stored, sizeof stored);
    const double value = static_cast<float>(stored);
    if (!std::isfinite(value)) {
      throw Error(text("cannot write '", record.key, "' to '", path.native(), "'"),
                  text("feature ", i % static_cast<std::size_t>(schema.features.mels), " of frame ",
                       i / static_cast<std::size_t>(schema.features.mels), " is ", value));
    }
  }
}

Columns columns(std::span<const ShardRecord> records, std::size_t step_bytes) {
  Columns all;
  bool weighted = false;
  for (const ShardRecord& record : records) {
    all.offset.push_back(all.offset.back() + static_cast<std::int64_t>(record.values.size() / step_bytes));
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

// The records, one after another at one place of the file: [records, steps, words], or [all steps].
void write_records(Hdf5Writer& writer, const RecordLayout& layout, std::span<const ShardRecord> all,
                   std::span<const std::int64_t> offset) {
  std::vector<hsize_t> sizes = {all.size(), static_cast<hsize_t>(layout.most_steps),
                                static_cast<hsize_t>(layout.words)};
  if (layout.ragged) sizes = {static_cast<hsize_t>(offset.back())};
  const Hdf5Handle type = word_type(/*real=*/!layout.ragged);
  const Hdf5Handle dataset = writer.dataset(layout.dataset, type.get(), sizes);
  const Hdf5Handle space = writer.own(H5Dget_space(dataset.get()), H5Sclose);
  std::vector<hsize_t> start(sizes.size());
  std::vector<hsize_t> one = sizes;
  for (std::size_t i = 0; i < all.size(); ++i) {
    start[0] = layout.ragged ? static_cast<hsize_t>(offset[i]) : i;
    one[0] = layout.ragged ? static_cast<hsize_t>(offset[i + 1] - offset[i]) : 1;
    const Hdf5Handle memory =
        writer.own(H5Screate_simple(static_cast<int>(one.size()), one.data(), nullptr), H5Sclose);
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

  const RecordLayout layout = record_layout(schema);
  const Columns all = columns(records, layout.step_bytes());
  write_records(writer, layout, records, all.offset);
  if (layout.ragged) column(writer, "offset", all.offset);
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
    if (!record_layout(schema).ragged) check_finite(path, schema, record);
    if (record.fold == 0 || statistics == StatisticsOf::all) sums += record.sums;
  }
  write_hdf5(path, [&](Hdf5Writer& writer) { write(writer, schema, records, sums); });
}

}  // namespace tutti::data
