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

  // The records, one after another at one place of the file.
  void records(const ShardSchema& schema, std::span<const ShardRecord> all) {
    const hsize_t sizes[] = {all.size(), static_cast<hsize_t>(schema.features.frames),
                             static_cast<hsize_t>(schema.features.mels)};
    const Hdf5Handle type = half_type();
    const Hdf5Handle space = own(H5Screate_simple(3, sizes, nullptr), H5Sclose);
    const Hdf5Handle dataset = create_dataset("features", type.get(), space.get());
    const hsize_t one[] = {1, sizes[1], sizes[2]};
    const Hdf5Handle memory = own(H5Screate_simple(3, one, nullptr), H5Sclose);
    for (hsize_t i = 0; i < all.size(); ++i) {
      const hsize_t start[] = {i, 0, 0};
      check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, nullptr, one, nullptr));
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

  const Columns all = columns(records);
  writer.records(schema, records);
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
    add_features(path, schema, record, record.fold == 0 || statistics == StatisticsOf::all, sums);
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
