#pragma once
// One HDF5 file while it is written: attributes, contiguous datasets, no timestamps. With every call in a
// fixed order the bytes are reproducible.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <source_location>
#include <span>
#include <string>
#include <type_traits>

#include "base/fields.h"
#include "data/hdf5.h"

namespace tutti::data {

// All functions throw Error that names the file.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(const std::filesystem::path& path) : path_(path), file_(create(path)) {}

  // Of the file.
  void attribute(const std::string& name, bool value) { attribute(name, std::int64_t{value}); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void attribute(const std::string& name, T value) {
    attribute(file_.get(), name.c_str(), stored_type<T>(), &value);
  }
  void attribute(const std::string& name, const std::string& value);

  // Of the file or a dataset.
  void attribute(hid_t object, const char* name, hid_t type, const void* value);

  // A dataset to be written, of these sizes.
  Hdf5Handle dataset(const char* name, hid_t type, std::span<const hsize_t> sizes);

  // A whole dataset.
  template <class T>
  Hdf5Handle dataset(const char* name, std::span<const T> values, std::span<const hsize_t> sizes) {
    return dataset(name, stored_type<T>(), sizes, std::as_bytes(values));
  }
  Hdf5Handle dataset(const char* name, hid_t type, std::span<const hsize_t> sizes,
                     std::span<const std::byte> bytes);

  // Fixed-length UTF-8, as long as the longest, padded with NUL.
  Hdf5Handle dataset(const char* name, const Strings& texts);

  void close() { check(file_.close()); }

  hid_t check(hid_t result, const std::source_location& where = std::source_location::current()) const {
    return check_hdf5(result, "write", path_, where);
  }
  Hdf5Handle own(hid_t id, herr_t (*release)(hid_t),
                 const std::source_location& where = std::source_location::current()) const {
    return Hdf5Handle(check(id, where), release);
  }

 private:
  Hdf5Handle create(const std::filesystem::path& path);

  QuietHdf5 quiet_;
  std::filesystem::path path_;
  Hdf5Handle file_;
};

// Writes under a temporary name in the same folder, syncs and renames, so `path` is whole or as it was.
void write_hdf5(const std::filesystem::path& path, const std::function<void(Hdf5Writer&)>& fill);

}  // namespace tutti::data
