#pragma once
// HDF5's C interface with owners and errors. Only what writes and opens files includes this.

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tutti::data {

// While it lives, HDF5 does not print its errors (check_hdf5 puts them into exceptions instead).
class QuietHdf5 {
 public:
  QuietHdf5();
  QuietHdf5(const QuietHdf5&) = delete;
  QuietHdf5& operator=(const QuietHdf5&) = delete;
  ~QuietHdf5();

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// Throws Error "cannot ACTION 'PATH'" with HDF5's reason when `result` is negative; else returns it.
hid_t check_hdf5(hid_t result, std::string_view action, const std::filesystem::path& path,
                 const std::source_location& where = std::source_location::current());

// Owns an identifier of any kind that has a close function.
class Hdf5Handle {
 public:
  Hdf5Handle(hid_t id, herr_t (*close_function)(hid_t)) : id_(id), close_(close_function) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&&) = delete;
  ~Hdf5Handle() {
    if (id_ >= 0) close_(id_);
  }

  hid_t get() const { return id_; }

  // Closes now, to learn of failure: HDF5 writes on close.
  herr_t close() { return close_(std::exchange(id_, -1)); }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// IEEE binary16, little-endian: what h5py shows as float16.
Hdf5Handle half_type();

// What records are made of, 16 bits each: float16 where `real`, else int16.
Hdf5Handle word_type(bool real);

// Fixed-length UTF-8, padded with NUL.
Hdf5Handle text_type(std::size_t size);

// How shards are stored, by the type that holds a value in memory. The memory type is the stored type:
// HDF5 never converts.
template <class T>
hid_t stored_type() {
  if constexpr (std::is_same_v<T, std::int16_t>) {
    return H5T_STD_I16LE;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return H5T_STD_I32LE;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return H5T_STD_I64LE;
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return H5T_STD_U64LE;
  } else if constexpr (std::is_same_v<T, float>) {
    return H5T_IEEE_F32LE;
  } else {
    static_assert(std::is_same_v<T, double>);
    return H5T_IEEE_F64LE;
  }
}

}  // namespace tutti::data
