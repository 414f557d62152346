#include "recipes/clip.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "data/decode.h"

namespace tutti::recipes {

std::vector<float> samples_of(const std::filesystem::path& path, const data::FeatureOptions& options,
                              std::int64_t max_frames) {
  const auto limit =
      max_frames > 0 ? data::sample_count(options, max_frames) : std::numeric_limits<std::int64_t>::max();
  auto waveform = data::decode(path, options.sample_rate, options.downmix, limit);
  const auto samples = static_cast<std::int64_t>(waveform.samples.size());
  if (samples < data::window_samples(options)) {
    throw Error(text("'", path.string(), "' is too short"),
                text(samples, " samples at ", options.sample_rate, " Hz; one window takes ",
                     data::window_samples(options)));
  }
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

data::Batch batch_of(const at::Tensor& raw_TM, const data::FeatureOptions& options) {
  data::Batch batch;
  batch.input = stored_features(raw_TM, options).unsqueeze(0);
  batch.length = torch::tensor({std::min(raw_TM.size(0), options.frames)}, torch::kInt32);
  return batch;
}

}  // namespace tutti::recipes
