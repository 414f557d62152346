#include "data/hdf5.h"

#include <bit>
#include <string>

#include "base/error.h"

namespace tutti::data {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are read without conversion");

// The innermost entry of the error stack tells the cause ("truncated file: eof = ...").
herr_t keep_description(unsigned, const H5E_error2_t* entry, void* reason) {
  if (entry->desc != nullptr) *static_cast<std::string*>(reason) = entry->desc;
  return 1;
}

}  // namespace

QuietHdf5::QuietHdf5() {
  // At exit HDF5 would go once more through what it could not close, on a full disk or in a damaged file, and
  // crash or complain. All that is open has an owner that closes it.
  static const herr_t without_exit_handler = H5dont_atexit();
  static_cast<void>(without_exit_handler);
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

QuietHdf5::~QuietHdf5() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

hid_t check_hdf5(hid_t result, std::string_view action, const std::filesystem::path& path,
                 const std::source_location& where) {
  if (result >= 0) return result;
  std::string reason = "unknown cause";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_description, &reason);
  const std::filesystem::path source(where.file_name());
  throw Error(text("cannot ", action, " '", path.native(), "'"),
              text("HDF5: ", reason, "; ", source.filename().native(), ":", where.line()));
}

Hdf5Handle half_type() {
  Hdf5Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  // Sign at bit 15, 5 bits of exponent from bit 10, 10 bits of mantissa from bit 0.
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  return type;
}

Hdf5Handle word_type(bool real) {
  return real ? half_type() : Hdf5Handle(H5Tcopy(stored_type<std::int16_t>()), H5Tclose);
}

Hdf5Handle text_type(std::size_t size) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), size);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  return type;
}

}  // namespace tutti::data
