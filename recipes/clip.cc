#include "recipes/clip.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "data/decode.h"
#include "data/frame_stream.h"

namespace tutti::recipes {

std::vector<float> samples_of(const std::filesystem::path& path, const data::FeatureOptions& options,
                              std::int64_t max_frames) {
  const auto limit =
      max_frames > 0 ? data::sample_count(options, max_frames) : std::numeric_limits<std::int64_t>::max();
  auto waveform = data::decode(path, options.sample_rate, options.downmix, limit);
  const auto samples = static_cast<std::int64_t>(waveform.samples.size());
  if (samples < data::window_samples(options)) throw data::too_short(path, options, samples);
  return std::move(waveform.samples);
}

at::Tensor stored_samples(std::span<const float> samples) {
  auto stored = torch::empty({std::ssize(samples)}, torch::kInt16);
  std::ranges::transform(samples, stored.mutable_data_ptr<std::int16_t>(), [](float sample) {
    return static_cast<std::int16_t>(std::clamp(std::nearbyint(sample * 0x1p15F), -0x1p15F, 0x1p15F - 1));
  });
  return stored;
}

at::Tensor raw_features(const std::filesystem::path& path, const data::FeatureOptions& options,
                        const data::Fbank& fbank, std::int64_t max_frames) {
  auto samples = samples_of(path, options, max_frames);
  return fbank(torch::from_blob(samples.data(), {1, std::ssize(samples)})).squeeze(0);
}

at::Tensor stored_features(const at::Tensor& raw_TM, const data::FeatureOptions& options) {
  auto stored = torch::full({options.frames, options.mels}, data::kFloor, torch::kHalf);
  const auto frames = std::min(raw_TM.size(0), options.frames);
  stored.narrow(0, 0, frames).copy_(raw_TM.narrow(0, 0, frames));
  return stored;
}

data::Batch batch_of(std::span<const at::Tensor> raw_TM, const data::FeatureOptions& options) {
  std::vector<at::Tensor> rows;
  std::vector<std::int32_t> lengths;
  for (const auto& clip_TM : raw_TM) {
    rows.push_back(stored_features(clip_TM, options));
    lengths.push_back(static_cast<std::int32_t>(std::min(clip_TM.size(0), options.frames)));
  }
  data::Batch batch;
  batch.input = torch::stack(rows);
  batch.length = torch::tensor(lengths, torch::kInt32);
  return batch;
}

}  // namespace tutti::recipes
