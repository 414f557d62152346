// HDF5's checksums let hardly any mutation of a shard's bytes through. So here the input says what to change
// in a sound shard of each kind by HDF5's own means: which attributes and datasets to remove, or to replace
// by others, with checksums that hold.

#include <algorithm>
#include <array>

#include "base/files.h"
#include "data/checksum.h"
#include "data/hdf5.h"
#include "tests/data/shard_fixture.h"
#include "tests/fuzz/read_shard.h"

namespace tutti::data {
namespace {

constexpr std::array attributes = {
    "format_version", "kind",   "classes", "sample_rate", "mels",      "frames",        "frame_length_ms",
    "frame_shift_ms", "low_hz", "high_hz", "downmix",     "fold0_sum", "fold0_squares", "fold0_frames"};
constexpr std::array datasets = {"features",     "length", "fold", "label_offset", "label_index",
                                 "label_weight", "key",    "xxh3", "samples",      "offset"};

// Reads the input from front to back; zeros follow its end.
class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }

  template <class T>
  T take() {
    T value{};
    const auto count = std::min(sizeof value, rest_.size());
    if (count > 0) std::memcpy(&value, rest_.data(), count);
    rest_ = rest_.subspan(count);
    return value;
  }

  // Small for most bytes, and a power of two up to 2^55 for the last ones.
  hsize_t size() {
    const auto byte = take<std::uint8_t>();
    return byte < 200 ? byte % 12 : hsize_t{1} << (byte - 200);
  }

 private:
  std::span<const std::uint8_t> rest_;
};

Hdf5Handle type(Input& input) {
  const auto copy = [](hid_t id) { return Hdf5Handle(H5Tcopy(id), H5Tclose); };
  switch (input.take<std::uint8_t>() % 11) {
    case 0:
      return copy(stored_type<std::int16_t>());
    case 1:
      return copy(stored_type<std::int32_t>());
    case 2:
      return copy(stored_type<std::int64_t>());
    case 3:
      return copy(stored_type<std::uint64_t>());
    case 4:
      return copy(stored_type<float>());
    case 5:
      return copy(stored_type<double>());
    case 6:
      return half_type();
    case 7:
      return text_type(H5T_VARIABLE);
    case 8:
      return Hdf5Handle(H5Tcreate(H5T_OPAQUE, 1 + input.take<std::uint8_t>()), H5Tclose);
    default:
      return text_type(std::clamp<std::size_t>(input.size(), 1, 4096));
  }
}

Hdf5Handle space(Input& input) {
  const auto rank = input.take<std::uint8_t>() % 6;
  if (rank == 4) return {H5Screate(H5S_NULL), H5Sclose};
  if (rank == 0 || rank == 5) return {H5Screate(H5S_SCALAR), H5Sclose};
  hsize_t sizes[3];
  for (auto& size : sizes) size = input.size();
  return {H5Screate_simple(rank, sizes, nullptr), H5Sclose};
}

// As many bytes as such an array has, from the input; none where that is too many to be written.
std::vector<std::byte> values(Input& input, const Hdf5Handle& type, const Hdf5Handle& space) {
  constexpr hsize_t most_bytes = 4096;
  const auto count = H5Sget_simple_extent_npoints(space.get());
  const auto size = H5Tget_size(type.get());
  if (count <= 0 || size == 0 || H5Tis_variable_str(type.get()) > 0) return {};
  if (static_cast<hsize_t>(count) > most_bytes / size) return {};
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * size);
  for (auto& byte : bytes) byte = input.take<std::byte>();
  return bytes;
}

void change_attribute(hid_t object, const char* name, Input& input) {
  H5Adelete(object, name);
  if (input.take<std::uint8_t>() % 8 == 0) return;
  const auto stored = type(input);
  const auto shape = space(input);
  const auto bytes = values(input, stored, shape);
  // HDF5 holds an attribute in memory: it is not for us to ask for a huge one.
  if (bytes.empty() && H5Sget_simple_extent_type(shape.get()) == H5S_SIMPLE) return;
  const Hdf5Handle attribute(H5Acreate2(object, name, stored.get(), shape.get(), H5P_DEFAULT, H5P_DEFAULT),
                             H5Aclose);
  if (attribute.get() >= 0 && !bytes.empty()) H5Awrite(attribute.get(), stored.get(), bytes.data());
}

void change_dataset(hid_t file, const char* name, Input& input) {
  H5Ldelete(file, name, H5P_DEFAULT);
  if (input.take<std::uint8_t>() % 8 == 0) return;
  const auto stored = type(input);
  const auto shape = space(input);
  const auto bytes = values(input, stored, shape);
  const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const auto layout = input.take<std::uint8_t>() % 8;
  if (layout == 1) H5Pset_layout(creation.get(), H5D_COMPACT);
  if (layout == 2) {
    const hsize_t chunk[] = {1, 1, 1};
    H5Pset_chunk(creation.get(), std::clamp(H5Sget_simple_extent_ndims(shape.get()), 1, 3), chunk);
  }
  const Hdf5Handle dataset(
      H5Dcreate2(file, name, stored.get(), shape.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Dclose);
  if (dataset.get() < 0) return;
  if (!bytes.empty()) H5Dwrite(dataset.get(), stored.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
  if (input.take<std::uint8_t>() % 8 == 0) return change_attribute(dataset.get(), "xxh3", input);
  const std::uint64_t checksum = xxh3(bytes);
  const Hdf5Handle scalar(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle attribute(
      H5Acreate2(dataset.get(), "xxh3", stored_type<std::uint64_t>(), scalar.get(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose);
  H5Awrite(attribute.get(), stored_type<std::uint64_t>(), &checksum);
}

std::string sound_shard(const std::string& kind) {
  const auto path = input_file("sound.h5", "");
  auto schema = small_schema(/*frames=*/4, /*mels=*/4);
  schema.kind = kind;
  write_shard(path, schema, make_records(0, 3, schema));
  return read_file(path);
}

// A sound shard, changed as the input says.
std::filesystem::path changed_shard(const std::string& sound, Input input) {
  constexpr int most_changes = 6;
  auto path = input_file("input.h5", sound);
  const QuietHdf5 quiet;
  const Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
  for (int i = 0; i < most_changes && !input.empty(); ++i) {
    const auto which = input.take<std::uint8_t>() % (attributes.size() + datasets.size());
    if (which < attributes.size()) {
      change_attribute(file.get(), attributes[which], input);
    } else {
      change_dataset(file.get(), datasets[which - attributes.size()], input);
    }
  }
  return path;
}

void read_changed_shards(const Input& input) {
  static const std::array sound = {sound_shard("spectrogram"), sound_shard("waveform")};
  for (const std::string& shard : sound) read_shard(changed_shard(shard, input));
}

}  // namespace
}  // namespace tutti::data

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tutti::data::read_changed_shards(tutti::data::Input({data, size}));
  return 0;
}
