#include "recipes/tensorboard.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace tutti::recipes {
namespace {

template <class T>
std::string little_endian(T value) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// Protobuf's wire format: a key (field number and type), then a varint, 8 or 4 bytes, or a length and bytes.
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string field(int number, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3) + varint(value);
}
std::string field(int number, double value) {
  return varint((static_cast<std::uint64_t>(number) << 3) | 1) + little_endian(value);
}
std::string field(int number, float value) {
  return varint((static_cast<std::uint64_t>(number) << 3) | 5) + little_endian(value);
}
std::string field(int number, const std::string& bytes) {
  return varint((static_cast<std::uint64_t>(number) << 3) | 2) + varint(bytes.size()) + bytes;
}

// CRC-32C (Castagnoli), rotated and offset as TensorFlow's record format wants it.
std::uint32_t masked_crc(const std::string& bytes) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78U : 0U);
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

}  // namespace

TensorboardWriter::TensorboardWriter(const std::filesystem::path& folder, double unix_time) {
  const auto path = folder / text("events.out.tfevents.", static_cast<std::int64_t>(unix_time), ".tutti");
  file_.open(path, std::ios::binary | std::ios::app);
  if (!file_) throw file_error("write", path.string(), errno);
  record(field(1, unix_time) + field(3, std::string("brain.Event:2")));
}

void TensorboardWriter::scalar(const std::string& tag, double value, std::int64_t step, double unix_time) {
  const std::string entry = field(1, tag) + field(2, static_cast<float>(value));  // Summary.Value
  record(field(1, unix_time) + field(2, static_cast<std::uint64_t>(step)) + field(5, field(1, entry)));
}

void TensorboardWriter::record(const std::string& event) {
  const std::string length = little_endian(static_cast<std::uint64_t>(event.size()));
  file_ << length << little_endian(masked_crc(length)) << event << little_endian(masked_crc(event));
}

}  // namespace tutti::recipes
