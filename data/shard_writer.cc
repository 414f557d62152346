#include "data/shard_writer.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "data/checksum.h"
#include "data/hdf5.h"

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

// One HDF5 file while it is written; every call in a fixed order, so that the bytes are reproducible.
class Writer {
 public:
  explicit Writer(const fs::path& path) : path_(path), file_(create(path)) {}

  void attribute(hid_t object, const char* name, hid_t type, const void* value) {
    const Hdf5Handle space = own(H5Screate(H5S_SCALAR), H5Sclose);
    const Hdf5Handle attribute =
        own(H5Acreate2(object, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    check(H5Awrite(attribute.get(), type, value));
  }

  void attribute(const std::string& name, bool value) { attribute(name, std::int64_t{value}); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void attribute(const std::string& name, T value) {
    attribute(file_.get(), name.c_str(), stored_type<T>(), &value);
  }
  void attribute(const std::string& name, const std::string& value) {
    const Hdf5Handle type = text_type(std::max<std::size_t>(1, value.size()));
    attribute(file_.get(), name.c_str(), type.get(), value.c_str());
  }

  // The records, one after another at one place of the file: [records, steps, words], or [all steps].
  void records(const RecordLayout& layout, std::span<const ShardRecord> all,
               std::span<const std::int64_t> offset) {
    std::vector<hsize_t> sizes = {all.size(), static_cast<hsize_t>(layout.most_steps),
                                  static_cast<hsize_t>(layout.words)};
    if (layout.ragged) sizes = {static_cast<hsize_t>(offset.back())};
    const auto rank = static_cast<int>(sizes.size());
    const Hdf5Handle type = word_type(/*real=*/!layout.ragged);
    const Hdf5Handle space = own(H5Screate_simple(rank, sizes.data(), nullptr), H5Sclose);
    const Hdf5Handle dataset = create_dataset(layout.dataset, type.get(), space.get());
    std::vector<hsize_t> start(sizes.size());
    std::vector<hsize_t> one = sizes;
    for (std::size_t i = 0; i < all.size(); ++i) {
      start[0] = layout.ragged ? static_cast<hsize_t>(offset[i]) : i;
      one[0] = layout.ragged ? static_cast<hsize_t>(offset[i + 1] - offset[i]) : 1;
      const Hdf5Handle memory = own(H5Screate_simple(rank, one.data(), nullptr), H5Sclose);
      check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, one.data(), nullptr));
      check(
          H5Dwrite(dataset.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, all[i].values.data()));
    }
  }

  template <class T>
  void column(const char* name, std::span<const T> values) {
    column(name, stored_type<T>(), values.size(), std::as_bytes(values));
  }

  // A one-dimensional dataset with its checksum.
  void column(const char* name, hid_t type, std::size_t count, std::span<const std::byte> bytes) {
    const hsize_t sizes[] = {count};
    const Hdf5Handle space = own(H5Screate_simple(1, sizes, nullptr), H5Sclose);
    const Hdf5Handle dataset = create_dataset(name, type, space.get());
    if (!bytes.empty()) check(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()));
    const std::uint64_t checksum = xxh3(bytes);
    attribute(dataset.get(), "xxh3", stored_type<std::uint64_t>(), &checksum);
  }

  void close() { check(file_.close()); }

 private:
  hid_t check(hid_t result, const std::source_location& where = std::source_location::current()) const {
    return check_hdf5(result, "write", path_, where);
  }
  Hdf5Handle own(hid_t id, herr_t (*release)(hid_t),
                 const std::source_location& where = std::source_location::current()) const {
    return Hdf5Handle(check(id, where), release);
  }

  Hdf5Handle create(const fs::path& path) {
    const Hdf5Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    // The latest format has checksums over its own metadata.
    check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST));
    // Nobody else writes under this name, and locks fail on many a parallel file system.
    check(H5Pset_file_locking(access.get(), false, true));
    // So that the records can be read with O_DIRECT.
    check(H5Pset_alignment(access.get(), 4096, 4096));
    const Hdf5Handle creation = own(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
    check(H5Pset_obj_track_times(creation.get(), false));
    return own(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
  }

  Hdf5Handle create_dataset(const char* name, hid_t type, hid_t space) {
    const Hdf5Handle creation = own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    check(H5Pset_obj_track_times(creation.get(), false));
    check(H5Pset_layout(creation.get(), H5D_CONTIGUOUS));
    check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY));
    check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER));
    return own(H5Dcreate2(file_.get(), name, type, space, H5P_DEFAULT, creation.get(), H5P_DEFAULT),
               H5Dclose);
  }

  QuietHdf5 quiet_;
  fs::path path_;
  Hdf5Handle file_;
};

void write(const fs::path& path, const ShardSchema& schema, std::span<const ShardRecord> records,
           const FeatureSums& sums) {
  Writer writer(path);
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
  writer.records(layout, records, all.offset);
  if (layout.ragged) writer.column("offset", std::span(all.offset));
  writer.column("length", std::span(all.length));
  writer.column("fold", std::span(all.fold));
  writer.column("label_offset", std::span(all.label_offset));
  writer.column("label_index", std::span(all.label_index));
  if (!all.label_weight.empty()) writer.column("label_weight", std::span(all.label_weight));
  writer.column("key", text_type(all.key_size).get(), records.size(), std::as_bytes(std::span(all.keys)));
  writer.column("xxh3", std::span(all.xxh3));
  writer.close();
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
  fs::path beside = path;
  beside += ".writing";
  try {
    write(beside, schema, records, sums);
    sync_path(beside);
    rename_durably(beside, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(beside, ignored);
    throw;
  }
}

}  // namespace tutti::data
