#include "data/shard_format.h"

#include "base/error.h"

namespace tutti::data {

Fields stored_fields(FeatureOptions& features) {
  Fields all = fields(features);
  std::erase_if(all, [](const Field& field) { return field.name == "padding"; });
  return all;
}

RecordLayout record_layout(const ShardSchema& schema) {
  const FeatureOptions& features = schema.features;
  if (schema.kind == "spectrogram")
    return {.dataset = "features", .words = features.mels, .most_steps = features.frames};
  if (schema.kind == "waveform") {
    if (window_samples(features) < 1 || shift_samples(features) < 1) {
      throw Error(
          "waveforms cannot be cut into frames",
          text("windows of ", window_samples(features), " samples, ", shift_samples(features), " apart"));
    }
    return {.dataset = "samples",
            .ragged = true,
            .most_steps = sample_count(features, features.frames),
            .window = window_samples(features),
            .shift = shift_samples(features)};
  }
  throw Error(text("shards of kind '", schema.kind, "' cannot be read or written"),
              "known: spectrogram, waveform");
}

std::string shard_file_name(const std::string& name, std::int64_t number, std::int64_t count) {
  const auto five_digits = [](std::int64_t value) {
    const std::string digits = std::to_string(value);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return text(name, "-", five_digits(number), "-of-", five_digits(count), ".h5");
}

}  // namespace tutti::data
