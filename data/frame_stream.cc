#include "data/frame_stream.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

namespace tutti::data {

FrameStream::FrameStream(const std::filesystem::path& path, const FeatureOptions& options, const Fbank& fbank)
    : path_(path), options_(options), fbank_(fbank), sound_(path, options.sample_rate, options.downmix) {}

at::Tensor FrameStream::read(std::int64_t most) {
  // Also what lies between these frames and the next, where the shift is longer than the window.
  const std::int64_t wanted = std::max(sample_count(options_, most), most * shift_samples(options_));
  while (more_ && std::ssize(samples_) < wanted) more_ = sound_.read(samples_);
  const std::int64_t frames = std::min(most, frame_count(options_, std::ssize(samples_)));
  if (frames == 0) {
    if (!any_) throw too_short(path_, options_, std::ssize(samples_));
    return at::empty({0, options_.mels}, at::kFloat);
  }
  any_ = true;
  at::Tensor result_TM =
      fbank_(at::from_blob(samples_.data(), {1, sample_count(options_, frames)}, at::kFloat)).squeeze(0);
  const std::int64_t done = std::min(frames * shift_samples(options_), std::int64_t{std::ssize(samples_)});
  samples_.erase(samples_.begin(), samples_.begin() + done);
  return result_TM;
}

Error too_short(const std::filesystem::path& path, const FeatureOptions& options, std::int64_t samples) {
  return Error(
      text("'", path.string(), "' is too short"),
      text(samples, " samples at ", options.sample_rate, " Hz; one window takes ", window_samples(options)));
}

}  // namespace tutti::data
