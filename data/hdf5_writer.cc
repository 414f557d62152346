#include "data/hdf5_writer.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <vector>

#include "base/files.h"

namespace tutti::data {

void Hdf5Writer::attribute(const std::string& name, const std::string& value) {
  const Hdf5Handle type = text_type(std::max<std::size_t>(1, value.size()));
  attribute(file_.get(), name.c_str(), type.get(), value.c_str());
}

void Hdf5Writer::attribute(hid_t object, const char* name, hid_t type, const void* value) {
  const Hdf5Handle space = own(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle attribute =
      own(H5Acreate2(object, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  check(H5Awrite(attribute.get(), type, value));
}

Hdf5Handle Hdf5Writer::dataset(const char* name, hid_t type, std::span<const hsize_t> sizes) {
  const Hdf5Handle space =
      own(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), H5Sclose);
  const Hdf5Handle creation = own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  check(H5Pset_obj_track_times(creation.get(), false));
  check(H5Pset_layout(creation.get(), H5D_CONTIGUOUS));
  check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY));
  check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER));
  return own(H5Dcreate2(file_.get(), name, type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
             H5Dclose);
}

Hdf5Handle Hdf5Writer::dataset(const char* name, hid_t type, std::span<const hsize_t> sizes,
                               std::span<const std::byte> bytes) {
  Hdf5Handle written = dataset(name, type, sizes);
  if (!bytes.empty()) check(H5Dwrite(written.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()));
  return written;
}

Hdf5Handle Hdf5Writer::dataset(const char* name, const Strings& texts) {
  std::size_t size = 1;
  for (const auto& one : texts) size = std::max(size, one.size());
  std::vector<char> padded(size * texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    std::ranges::copy(texts[i], padded.begin() + static_cast<std::ptrdiff_t>(i * size));
  const std::array<hsize_t, 1> sizes = {texts.size()};
  return dataset(name, text_type(size).get(), sizes, std::as_bytes(std::span(padded)));
}

Hdf5Handle Hdf5Writer::create(const std::filesystem::path& path) {
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

void write_hdf5(const std::filesystem::path& path, const std::function<void(Hdf5Writer&)>& fill) {
  auto beside = path;
  beside += ".writing";
  try {
    {
      Hdf5Writer writer(beside);
      fill(writer);
      writer.close();
    }
    sync_path(beside);
    rename_durably(beside, path);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    throw;
  }
}

}  // namespace tutti::data
