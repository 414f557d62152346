#include "data/utf8.h"

#include <cstddef>

namespace tutti::data {

bool is_text(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U; };
  std::size_t i = 0;
  while (i < bytes.size()) {
    const unsigned lead = at(i), next = at(i + 1);
    std::size_t length = 0;
    unsigned low = 0x80, high = 0xbf;  // of the second byte
    if (lead >= 0x01 && lead <= 0x7f) {
      length = 1;
    } else if (lead >= 0xc2 && lead <= 0xdf) {
      length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      length = 3;
      if (lead == 0xe0) low = 0xa0;   // shorter forms exist
      if (lead == 0xed) high = 0x9f;  // surrogates
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      length = 4;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;  // beyond U+10FFFF
    } else {
      return false;
    }
    if (length > 1 && (next < low || next > high)) return false;
    for (std::size_t k = 2; k < length; ++k) {
      if (at(i + k) < 0x80 || at(i + k) > 0xbf) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace tutti::data
