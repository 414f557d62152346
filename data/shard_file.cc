#include "data/shard_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "data/checksum.h"
#include "data/hdf5.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

// One HDF5 file while it is opened.
class Reader {
 public:
  Reader(const fs::path& path, std::int64_t bytes)
      : path_(path), bytes_(static_cast<std::uint64_t>(bytes)), file_(open(path)) {}

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... reason) const {
    throw Error(text("'", path_.native(), "' is not a whole shard"), text(reason...), kWriteAgain);
  }

  template <class T>
  requires std::is_arithmetic_v<T>
  void attribute(const std::string& name, T& value) const {
    read_attribute(file_.get(), name, stored_type<T>(), &value);
  }
  void attribute(const std::string& name, bool& value) const {
    std::int64_t stored = 0;
    attribute(name, stored);
    value = stored != 0;
  }
  void attribute(const std::string& name, std::string& value) const {
    const Hdf5Handle attribute = open_attribute(file_.get(), name);
    const Hdf5Handle type = own(H5Aget_type(attribute.get()), H5Tclose);
    if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0) {
      refuse("attribute '", name, "' is not a string of fixed length");
    }
    const std::size_t size = H5Tget_size(type.get());
    if (size > bytes_) refuse("attribute '", name, "' would have ", size, " bytes");
    value.resize(size);
    read_attribute(file_.get(), name, text_type(value.size()).get(), value.data());
    value.erase(std::ranges::find(value, '\0'), value.end());
  }

  bool has(const char* name) const { return H5Lexists(file_.get(), name, H5P_DEFAULT) > 0; }

  Hdf5Handle dataset(const char* name) const {
    if (!has(name)) refuse("it has no dataset '", name, "'");
    return own(H5Dopen2(file_.get(), name, H5P_DEFAULT), H5Dclose);
  }

  template <std::size_t Rank>
  std::array<hsize_t, Rank> sizes(const Hdf5Handle& dataset, const char* name) const {
    const Hdf5Handle space = own(H5Dget_space(dataset.get()), H5Sclose);
    if (H5Sget_simple_extent_ndims(space.get()) != static_cast<int>(Rank)) {
      refuse("dataset '", name, "' does not have ", Rank, " dimensions");
    }
    std::array<hsize_t, Rank> sizes;
    H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
    return sizes;
  }

  // Also that the file has room for so many: a damaged size must not exhaust the memory.
  void check_count(const Hdf5Handle& dataset, const char* name, std::size_t count, std::size_t size) const {
    const hsize_t stored = sizes<1>(dataset, name)[0];
    if (stored != count || count > bytes_ / size) {
      refuse("dataset '", name, "' holds ", stored, " values, and should hold ", count);
    }
  }

  void require_type(const Hdf5Handle& dataset, const char* name, hid_t expected) const {
    const Hdf5Handle type = own(H5Dget_type(dataset.get()), H5Tclose);
    if (H5Tequal(type.get(), expected) <= 0) refuse("dataset '", name, "' has an unexpected type");
  }

  // A one-dimensional dataset, verified against its checksum.
  template <class T>
  std::vector<T> column(const char* name, std::size_t count) const {
    const Hdf5Handle dataset = this->dataset(name);
    check_count(dataset, name, count, sizeof(T));
    std::vector<T> values(count);
    read(dataset, name, stored_type<T>(), std::as_writable_bytes(std::span(values)));
    return values;
  }

  // `bytes` has room for the whole dataset.
  void read(const Hdf5Handle& dataset, const char* name, hid_t type, std::span<std::byte> bytes) const {
    require_type(dataset, name, type);
    if (!bytes.empty()) check(H5Dread(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()));
    std::uint64_t checksum = 0;
    read_attribute(dataset.get(), "xxh3", stored_type<std::uint64_t>(), &checksum);
    if (checksum != xxh3(bytes)) refuse("dataset '", name, "' is damaged: its checksum does not hold");
  }

  hid_t check(hid_t result, const std::source_location& where = std::source_location::current()) const {
    return check_hdf5(result, "read", path_, where);
  }
  Hdf5Handle own(hid_t id, herr_t (*release)(hid_t),
                 const std::source_location& where = std::source_location::current()) const {
    return Hdf5Handle(check(id, where), release);
  }

 private:
  Hdf5Handle open(const fs::path& path) const {
    const Hdf5Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    // A shard appears whole under its name, so there is nothing to lock out; and locks fail on NFS and
    // Lustre.
    check(H5Pset_file_locking(access.get(), false, true));
    return own(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  }

  Hdf5Handle open_attribute(hid_t object, const std::string& name) const {
    if (H5Aexists(object, name.c_str()) <= 0) refuse("it has no attribute '", name, "'");
    return own(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  }

  void read_attribute(hid_t object, const std::string& name, hid_t expected, void* value) const {
    const Hdf5Handle attribute = open_attribute(object, name);
    const Hdf5Handle type = own(H5Aget_type(attribute.get()), H5Tclose);
    const Hdf5Handle space = own(H5Aget_space(attribute.get()), H5Sclose);
    if (H5Tequal(type.get(), expected) <= 0 || H5Sget_simple_extent_npoints(space.get()) != 1) {
      refuse("attribute '", name, "' has an unexpected type");
    }
    check(H5Aread(attribute.get(), expected, value));
  }

  QuietHdf5 quiet_;
  fs::path path_;
  std::uint64_t bytes_;
  Hdf5Handle file_;
};

// Where the records lie, and how many.
struct Records {
  std::int64_t offset = 0;  // bytes
  std::size_t count = 0;
  std::vector<std::int64_t> begin;  // of each ragged record, and the end, in steps
};

// Throws Error where the dataset is not of this layout, or the file does not hold all of it.
Records find_records(const Reader& reader, const RecordLayout& layout, std::uint64_t file_bytes) {
  const char* name = layout.dataset;
  const Hdf5Handle dataset = reader.dataset(name);
  reader.require_type(dataset, name, word_type(/*real=*/!layout.ragged).get());
  Records records;
  std::uint64_t steps = 0;
  if (layout.ragged) {
    steps = reader.sizes<1>(dataset, name)[0];
    const hsize_t entries = reader.sizes<1>(reader.dataset("offset"), "offset")[0];
    records.begin = reader.column<std::int64_t>("offset", entries);
    if (records.begin.empty() || records.begin.front() != 0 || !std::ranges::is_sorted(records.begin) ||
        static_cast<std::uint64_t>(records.begin.back()) != steps) {
      reader.refuse("dataset 'offset' does not ascend from 0 to ", steps);
    }
    records.count = records.begin.size() - 1;
  } else {
    const auto sizes = reader.sizes<3>(dataset, name);
    if (sizes[1] != static_cast<hsize_t>(layout.most_steps) ||
        sizes[2] != static_cast<hsize_t>(layout.words)) {
      reader.refuse("its ", name, " are ", sizes[1], " x ", sizes[2], ", its attributes say ",
                    layout.most_steps, " x ", layout.words);
    }
    records.count = sizes[0];
    if (__builtin_mul_overflow(sizes[0], sizes[1], &steps)) steps = UINT64_MAX;
  }
  const haddr_t offset = H5Dget_offset(dataset.get());
  if (offset == HADDR_UNDEF) reader.refuse("its ", name, " do not lie at one place of the file");
  if (offset > file_bytes || steps > (file_bytes - offset) / layout.step_bytes()) {
    reader.refuse("it is truncated: ", file_bytes, " bytes do not hold ", records.count, " records");
  }
  records.offset = static_cast<std::int64_t>(offset);
  return records;
}

FeatureOptions read_features(const Reader& reader) {
  FeatureOptions features;
  for (const Field& field : stored_fields(features)) {
    std::visit(
        [&](auto* value) {
          if constexpr (requires { reader.attribute(field.name, *value); }) {
            reader.attribute(field.name, *value);
          } else {
            reader.refuse("feature setting '", field.name, "' is a list");
          }
        },
        field.target);
    if (const std::string wrong = complaint(field); !wrong.empty()) {
      reader.refuse("attribute '", field.name, "' ", wrong);
    }
  }
  return features;
}

}  // namespace

ShardFile ShardFile::open(const fs::path& path) {
  ShardFile shard;
  shard.path_ = path;
  shard.descriptor_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (shard.descriptor_.get() < 0) {
    throw file_error("open", path.native(), errno,
                     errno == EMFILE ? "Raise the limit of open files: ulimit -n 65536" : kWriteAgain);
  }
  struct stat status;
  if (::fstat(shard.descriptor_.get(), &status) != 0) throw file_error("open", path.native(), errno);
  shard.bytes_ = status.st_size;

  const Reader reader(path, shard.bytes_);
  std::int64_t version = 0;
  reader.attribute("format_version", version);
  if (version != kShardFormatVersion) {
    throw Error(text("'", path.native(), "' has format_version ", version),
                text("this tutti reads ", kShardFormatVersion),
                "Run tutti shard again, or use the tutti that wrote it");
  }
  reader.attribute("kind", shard.kind_);
  reader.attribute("classes", shard.classes_);
  shard.features_ = read_features(reader);
  reader.attribute("fold0_sum", shard.sums_.sum);
  reader.attribute("fold0_squares", shard.sums_.squares);
  reader.attribute("fold0_frames", shard.sums_.frames);
  shard.layout_ = record_layout({.kind = shard.kind_, .features = shard.features_});

  Records records = find_records(reader, shard.layout_, static_cast<std::uint64_t>(shard.bytes_));
  const std::size_t count = records.count;
  shard.offset_ = records.offset;
  shard.begin_ = std::move(records.begin);
  const auto frames = static_cast<std::int64_t>(count) * shard.features_.frames;
  if (shard.sums_.frames < 0 || shard.sums_.frames > frames)
    reader.refuse("fold0_frames is ", shard.sums_.frames, " of ", frames);

  shard.length_ = reader.column<std::int32_t>("length", count);
  shard.fold_ = reader.column<std::int16_t>("fold", count);
  shard.label_offset_ = reader.column<std::int64_t>("label_offset", count + 1);
  const std::vector<std::int64_t>& label_offset = shard.label_offset_;
  if (label_offset.front() != 0 || !std::ranges::is_sorted(label_offset)) {
    reader.refuse("dataset 'label_offset' does not ascend from 0");
  }
  const auto labels = static_cast<std::size_t>(label_offset.back());
  shard.label_index_ = reader.column<std::int32_t>("label_index", labels);
  if (reader.has("label_weight")) shard.label_weight_ = reader.column<float>("label_weight", labels);
  shard.xxh3_ = reader.column<std::uint64_t>("xxh3", count);

  const Hdf5Handle keys = reader.dataset("key");
  const Hdf5Handle key_type = reader.own(H5Dget_type(keys.get()), H5Tclose);
  shard.key_size_ = H5Tget_size(key_type.get());
  if (shard.key_size_ == 0) reader.refuse("dataset 'key' has an unexpected type");
  reader.check_count(keys, "key", count, shard.key_size_);
  shard.keys_.resize(shard.key_size_ * count);
  reader.read(keys, "key", text_type(shard.key_size_).get(), std::as_writable_bytes(std::span(shard.keys_)));

  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t length = shard.length_[i];
    const bool fits = !shard.layout_.ragged || length == shard.begin_[i + 1] - shard.begin_[i];
    if (length < 0 || length > shard.layout_.most_steps || !fits || shard.fold_[i] < 0) {
      reader.refuse("record ", i, " has length ", length, " and fold ", shard.fold_[i]);
    }
  }
  for (const std::int32_t label : shard.label_index_) {
    if (label < 0 || label >= shard.classes_) reader.refuse("it holds label ", label, " of ", shard.classes_);
  }
  return shard;
}

std::vector<Label> ShardFile::labels(std::int64_t record) const {
  std::vector<Label> result;
  for (auto i = label_offset_[static_cast<std::size_t>(record)];
       i < label_offset_[static_cast<std::size_t>(record) + 1]; ++i) {
    const auto at = static_cast<std::size_t>(i);
    result.push_back({label_index_[at], label_weight_.empty() ? 1.0f : label_weight_[at]});
  }
  return result;
}

std::string_view ShardFile::key(std::int64_t record) const {
  const std::string_view padded(keys_.data() + static_cast<std::size_t>(record) * key_size_, key_size_);
  return padded.substr(0, padded.find('\0'));
}

void ShardFile::check_folds(const Strings& folds) const {
  const auto most = fold_.empty() ? 0 : *std::ranges::max_element(fold_);
  if (most < std::ssize(folds)) return;
  throw Error(text("'", path_.native(), "' has records of fold ", most),
              text("there are ", folds.size(), " folds"), kWriteAgain);
}

void ShardFile::read(std::int64_t record, std::size_t begin, std::span<std::byte> out) const {
  auto at = offset_ + this->begin(record) * static_cast<std::int64_t>(layout_.step_bytes()) +
            static_cast<std::int64_t>(begin);
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor_.get(), out.data(), out.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw file_error("read", path_.native(), errno);
    if (count == 0) {
      throw Error(text("'", path_.native(), "' ends in record ", record),
                  "it was truncated after it was opened", kWriteAgain);
    }
    out = out.subspan(static_cast<std::size_t>(count));
    at += count;
  }
}

}  // namespace tutti::data
