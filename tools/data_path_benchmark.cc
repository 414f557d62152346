// data_path_benchmark: what a training step's data cost, loader and front end together, from shards of
// spectrograms and of waveforms: clips a second, and the ratio, of 10 s clips with AST's settings for
// AudioSet (page cache warm, checksums verified once before). THREADS (default 1) is for the front end.

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/counter_rng.h"
#include "data/front_end.h"
#include "data/loader.h"
#include "data/shard_writer.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kClips = 144;
constexpr std::int64_t kSamples = 160000;
constexpr int kRounds = 5;

ShardSet write_set(const fs::path& folder, const std::string& kind) {
  ShardSchema schema{.kind = kind, .features = {}, .classes = {"noise"}, .folds = {"train"}};
  const RecordLayout layout = record_layout(schema);
  const std::int64_t length = layout.ragged ? kSamples : frame_count(schema.features, kSamples);
  const std::int64_t steps = layout.ragged ? kSamples : layout.most_steps;
  std::vector<ShardRecord> records(kClips);
  CounterRng rng(1);
  for (ShardRecord& record : records) {
    record.length = static_cast<std::int32_t>(length);
    record.labels = {{0, 1}};
    record.values.resize(static_cast<std::size_t>(steps) * layout.step_bytes());
    for (std::byte& byte : record.values) byte = static_cast<std::byte>(rng.integer(64));  // finite float16
  }
  fs::create_directories(folder);
  const std::string file = shard_file_name(kind, 0, 1);
  write_shard(folder / file, schema, records);
  write_index(folder, describe_shards(folder, kind, schema, {file}));
  return ShardSet::open(folder);
}

// Clips a second through an epoch.
double rate(const ShardSet& set, std::int64_t epoch) {
  const Strings folds = {"train"};
  const Sampler sampler(whole_clips(set, set.records(folds)), Order::shuffled, 1);
  const EpochPlan plan{.epoch = epoch,
                       .batch = 12,
                       .frames = 1024,
                       .augment = AugmentOptions{.mixup = 0.5, .freq_mask = 48, .time_mask = 192}};
  const FrontEnd front_end({}, -4.27, 4.57);
  const auto start = std::chrono::steady_clock::now();
  Loader loader(set, sampler, plan);
  std::int64_t clips = 0;
  while (const std::optional<Batch> batch = loader.next()) clips += front_end(*batch, at::kCPU).size(0);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return static_cast<double>(clips) / seconds.count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void measure(const fs::path& folder) {
  const ShardSet spectrograms = write_set(folder / "spectrogram", "spectrogram");
  const ShardSet waveforms = write_set(folder / "waveform", "waveform");
  rate(spectrograms, 0);  // reads and verifies
  rate(waveforms, 0);
  std::vector<double> of_spectrograms, of_waveforms, ratios;
  for (int round = 1; round <= kRounds; ++round) {
    of_spectrograms.push_back(rate(spectrograms, round));
    of_waveforms.push_back(rate(waveforms, round));
    ratios.push_back(of_waveforms.back() / of_spectrograms.back());
  }
  std::printf("clips/s, median of %d rounds: spectrograms %.0f, waveforms %.0f; ratio %.3f (%.3f to %.3f)\n",
              kRounds, median(of_spectrograms), median(of_waveforms), median(ratios),
              *std::ranges::min_element(ratios), *std::ranges::max_element(ratios));
}

int main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::max(1, std::atoi(argv[1])) : 1);
  try {
    std::string pattern = (fs::temp_directory_path() / "tutti-data-path-XXXXXX").string();
    const fs::path folder = mkdtemp(pattern.data());
    const std::shared_ptr<void> clean(nullptr, [&](void*) { fs::remove_all(folder); });
    measure(folder);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "data_path_benchmark: %s\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace tutti::data

int main(int argc, char** argv) { return tutti::data::main(argc, argv); }
