#include "recipes/image.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace tutti::recipes {
namespace {

using Color = std::array<double, 4>;  // red, green, blue, alpha of 255

// Points of matplotlib's inferno, evenly spaced.
constexpr std::array<Color, 9> kSpectrogram = {{{0, 0, 4, 255},
                                                {31, 12, 72, 255},
                                                {85, 15, 109, 255},
                                                {136, 34, 106, 255},
                                                {186, 54, 85, 255},
                                                {227, 89, 51, 255},
                                                {249, 140, 10, 255},
                                                {249, 201, 50, 255},
                                                {252, 255, 164, 255}}};
constexpr std::array<Color, 2> kAttention = {{{132, 137, 143, 242}, {132, 137, 143, 0}}};

std::vector<png_byte> color_map(std::span<const Color> points) {
  std::vector<png_byte> map;
  for (int level = 0; level < 256; ++level) {
    const double place = level / 255.0 * static_cast<double>(points.size() - 1);
    const auto from = std::min(static_cast<std::size_t>(place), points.size() - 2);
    const double weight = place - static_cast<double>(from);
    for (std::size_t i = 0; i < 4; ++i)
      map.push_back(
          static_cast<png_byte>(std::lround(points[from][i] * (1 - weight) + points[from + 1][i] * weight)));
  }
  return map;
}

}  // namespace

std::string data_uri(std::string_view type, std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result = text("data:", type, ";base64,");
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto piece = bytes.substr(i, 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < piece.size() ? static_cast<unsigned char>(piece[k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) result += k <= piece.size() ? digits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return result;
}

std::string png_data_uri(std::span<const float> values, std::int64_t width, std::int64_t height,
                         Palette palette) {
  std::vector<png_byte> pixels;
  pixels.reserve(values.size());
  for (const float value : values)
    pixels.push_back(static_cast<png_byte>(std::lround(std::clamp(value, 0.0F, 1.0F) * 255)));
  const auto map = palette == Palette::spectrogram ? color_map(kSpectrogram) : color_map(kAttention);

  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGBA_COLORMAP;
  image.colormap_entries = 256;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, map.data()) == 0)
    throw Error("a picture for the report could not be written", static_cast<const char*>(image.message));
  bytes.resize(size);
  return data_uri("image/png", bytes);
}

}  // namespace tutti::recipes
