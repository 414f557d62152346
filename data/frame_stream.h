#pragma once
// The log-mel frames of a sound file as it is decoded, in memory that does not grow with its length.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "data/decode.h"
#include "data/fbank.h"
#include "data/features.h"

namespace tutti::data {

// Bit for bit the frames of the whole file, decoded and transformed at once.
class FrameStream {
 public:
  // `fbank` must outlive the stream. Throws as SoundStream does.
  FrameStream(const std::filesystem::path& path, const FeatureOptions& options, const Fbank& fbank);

  // The next frames, raw log-mel [T, mels] float32: `most` of them, fewer at the end, and then none. Throws
  // as SoundStream does, and too_short() where the file has no frame.
  at::Tensor read(std::int64_t most);

 private:
  std::filesystem::path path_;
  FeatureOptions options_;
  const Fbank& fbank_;
  SoundStream sound_;
  std::vector<float> samples_;  // from the next frame on
  bool more_ = true;            // to be decoded
  bool any_ = false;            // frames so far
};

// The file has so many samples, and one window takes more.
Error too_short(const std::filesystem::path& path, const FeatureOptions& options, std::int64_t samples);

}  // namespace tutti::data
