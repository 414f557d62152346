#include "data/shard_format.h"

#include "base/error.h"

namespace tutti::data {

Fields stored_fields(FeatureOptions& features) {
  Fields all = fields(features);
  std::erase_if(all, [](const Field& field) { return field.name == "padding"; });
  return all;
}

std::size_t record_bytes(const ShardSchema& schema) {
  if (schema.kind != "spectrogram") {
    throw Error(text("shards of kind '", schema.kind, "' cannot be read or written"), "known: spectrogram");
  }
  constexpr std::int64_t kHalfBytes = 2;
  return static_cast<std::size_t>(schema.features.frames * schema.features.mels * kHalfBytes);
}

std::string shard_file_name(const std::string& name, std::int64_t number, std::int64_t count) {
  const auto five_digits = [](std::int64_t value) {
    const std::string digits = std::to_string(value);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return text(name, "-", five_digits(number), "-of-", five_digits(count), ".h5");
}

}  // namespace tutti::data
