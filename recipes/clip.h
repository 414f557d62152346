#pragma once
// From one sound file to what a model sees of it, without shards between.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/fbank.h"
#include "data/features.h"

namespace tutti::recipes {

// The samples of a sound file, float32, full scale [-1, 1]. `max_frames` > 0: no more than so many frames
// take. Throws Error that names the file when it cannot be read or is shorter than one window.
std::vector<float> samples_of(const std::filesystem::path& path, const data::FeatureOptions& options,
                              std::int64_t max_frames = 0);

// The samples as a shard stores them: times 2^15, rounded to the nearest (half to even), clipped to 16 bits.
at::Tensor stored_samples(std::span<const float> samples);

// Raw log-mel [frames, mels] float32 of a sound file. `max_frames` > 0: no more than so many are read and
// computed. Throws Error that names the file when it cannot be read or is shorter than one window.
at::Tensor raw_features(const std::filesystem::path& path, const data::FeatureOptions& options,
                        const data::Fbank& fbank, std::int64_t max_frames = 0);

// The features as a shard stores them: float16 [options.frames, mels], cut at the end, or filled up with
// the floor.
at::Tensor stored_features(const at::Tensor& raw_TM, const data::FeatureOptions& options);

// A batch of clips, as the loader makes it for evaluation; it has no targets.
data::Batch batch_of(std::span<const at::Tensor> raw_TM, const data::FeatureOptions& options);

}  // namespace tutti::recipes
