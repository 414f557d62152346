#pragma once
// Text that h5py, JSON and TOML can hold.

#include <string_view>

namespace tutti::data {

// Whether the bytes are well-formed UTF-8 (Unicode 15, table 3-7) without NUL, which ends keys in shards.
bool is_text(std::string_view bytes);

}  // namespace tutti::data
