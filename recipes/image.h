#pragma once
// Small pictures of matrices, as PNG files written into a page.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tutti::recipes {

enum class Palette {
  spectrogram,  // black, violet, orange, light yellow: ordered by lightness
  attention,    // grey to clear: a veil over what is not attended to
};

// Values in [0, 1] (others are clamped), row by row from the top, as "data:image/png;base64,...". Throws
// Error.
std::string png_data_uri(std::span<const float> values, std::int64_t width, std::int64_t height,
                         Palette palette);

// "data:TYPE;base64,..." of any bytes.
std::string data_uri(std::string_view type, std::string_view bytes);

}  // namespace tutti::recipes
