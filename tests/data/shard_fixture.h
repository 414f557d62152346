#pragma once
// Small shards with known values, in a folder that lives as long as the test.

#include <c10/util/Half.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/counter_rng.h"
#include "data/shard_index.h"
#include "data/shard_set.h"
#include "data/shard_writer.h"
#include "tests/temporary_folder.h"

namespace tutti::data {

inline ShardSchema small_schema(std::int64_t frames = 20, std::int64_t mels = 8) {
  ShardSchema schema;
  schema.features.frames = frames;
  schema.features.mels = mels;
  schema.classes = {"a", "b", "\u3105", "d"};
  schema.folds = {"train", "validation", "test"};
  return schema;
}

// Record `number` of a set: its length, labels, fold and values are functions of the number.
inline std::vector<float> record_values(std::int64_t number, const ShardSchema& schema) {
  const auto mels = static_cast<std::size_t>(schema.features.mels);
  const auto frames = static_cast<std::size_t>(schema.features.frames);
  const auto length = static_cast<std::size_t>(1 + number * 7 % schema.features.frames);
  std::vector<float> values(frames * mels, static_cast<float>(c10::Half(static_cast<float>(kFloor))));
  CounterRng rng(static_cast<std::uint64_t>(number), 1234);
  for (std::size_t i = 0; i < length * mels; ++i) {
    values[i] = static_cast<float>(c10::Half(static_cast<float>(-4 + 4 * rng.normal())));
  }
  return values;
}

// Its samples, of a schema of waveforms: noise on a tone, of a length of its own, off zero by some.
inline std::vector<std::int16_t> record_samples(std::int64_t number, const ShardSchema& schema) {
  const std::int64_t most = record_layout(schema).most_steps;
  std::vector<std::int16_t> samples(static_cast<std::size_t>(most - number * 211 % (most * 3 / 4)));
  CounterRng rng(static_cast<std::uint64_t>(number), 4321);
  const double step = 0.05 * static_cast<double>(1 + number % 20);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double tone = 6000 * std::sin(step * static_cast<double>(i));
    samples[i] = static_cast<std::int16_t>(300 + tone + 800 * rng.normal());
  }
  return samples;
}

inline ShardRecord make_record(std::int64_t number, const ShardSchema& schema) {
  ShardRecord record;
  record.key = "clip/\u3105" + std::to_string(number) + ".ogg";
  record.fold = static_cast<std::int16_t>(number % 5 == 3 ? 1 : number % 5 == 4 ? 2 : 0);
  for (std::int32_t label = 0; label < 4; ++label) {
    if ((number >> label & 1) != 0) record.labels.push_back({label, 1});
  }
  const auto store = [&](const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    record.values.assign(bytes.begin(), bytes.end());
  };
  if (schema.kind == "waveform") {
    const std::vector<std::int16_t> samples = record_samples(number, schema);
    record.length = static_cast<std::int32_t>(samples.size());
    store(samples);
    return record;
  }
  record.length = static_cast<std::int32_t>(1 + number * 7 % schema.features.frames);
  std::vector<c10::Half> halves;
  for (const float value : record_values(number, schema)) halves.emplace_back(value);
  store(halves);
  const std::vector<float> rounded(halves.begin(), halves.begin() + record.length * schema.features.mels);
  record.sums = sum_features(rounded, schema.features.mels);
  return record;
}

inline std::vector<ShardRecord> make_records(std::int64_t first, std::int64_t count,
                                             const ShardSchema& schema) {
  std::vector<ShardRecord> records;
  for (std::int64_t i = first; i < first + count; ++i) records.push_back(make_record(i, schema));
  return records;
}

// Shards of so many records each, and their index.
inline ShardIndex write_small_set(const std::filesystem::path& folder,
                                  const std::vector<std::int64_t>& counts,
                                  const ShardSchema& schema = small_schema()) {
  Strings files;
  std::int64_t first = 0;
  for (const std::int64_t count : counts) {
    files.push_back(shard_file_name("small", std::ssize(files), std::ssize(counts)));
    write_shard(folder / files.back(), schema, make_records(first, count, schema));
    first += count;
  }
  ShardIndex index = describe_shards(folder, "small", schema, files);
  write_index(folder, index);
  return index;
}

}  // namespace tutti::data
