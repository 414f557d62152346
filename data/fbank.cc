#include "data/fbank.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "base/error.h"

namespace tutti::data {
namespace {

// What one thread does at a time: about a hundredth of a second.
constexpr std::int64_t kFramesInTask = 16384;

}  // namespace

Fbank::Fbank(const FeatureOptions& options)
    : options_(options), definition_(options), loops_(definition_), tensors_(definition_) {}

at::Tensor Fbank::operator()(const at::Tensor& waveforms_BS) const {
  if (waveforms_BS.dim() != 2 || waveforms_BS.scalar_type() != at::kFloat) {
    throw Error("fbank wants waveforms [clips, samples] of float32",
                text("it got ", waveforms_BS.sizes(), " of ", waveforms_BS.scalar_type()));
  }
  const std::int64_t clips = waveforms_BS.size(0);
  const std::int64_t frames = frame_count(options_, waveforms_BS.size(1));
  if (frames == 0) {
    throw Error("the sound is too short for a spectrogram",
                text(waveforms_BS.size(1), " samples; one window has ", definition_.window));
  }

  const at::NoGradGuard no_grad;
  at::Tensor result_BTM = at::empty({clips, frames, options_.mels}, waveforms_BS.options());
  if (waveforms_BS.device().is_cpu()) {
    const at::Tensor contiguous_BS = waveforms_BS.contiguous();
    const std::int64_t tasks_in_clip = (frames + kFramesInTask - 1) / kFramesInTask;
    at::parallel_for(0, clips * tasks_in_clip, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t clip = task / tasks_in_clip;
        const std::int64_t first = task % tasks_in_clip * kFramesInTask;
        loops_(
            contiguous_BS.const_data_ptr<float>() + clip * contiguous_BS.size(1) + first * definition_.shift,
            std::min(kFramesInTask, frames - first),
            result_BTM.mutable_data_ptr<float>() + (clip * frames + first) * options_.mels);
      }
    });
  } else {
    tensors_(waveforms_BS, result_BTM);
  }
  return result_BTM;
}

}  // namespace tutti::data
