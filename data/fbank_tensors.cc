#include "data/fbank_tensors.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/view_as_real.h>

#include <algorithm>
#include <cfloat>

namespace tutti::data {
namespace {

constexpr double kPreEmphasis = 0.97;

// A slice's intermediates take about 15 KB a frame.
constexpr std::int64_t kFramesInSlice = 1 << 16;

// Frequency bins that feed a mel bin lie close together, so the product with the filters is cut into
// blocks of mel bins; at 128 mels four blocks save three quarters of the multiplications.
constexpr std::int64_t kMelsInBand = 32;

}  // namespace

FbankTensors::FbankTensors(const FbankDefinition& definition)
    : window_(definition.window), shift_(definition.shift), fft_size_(definition.fft_size) {
  const at::Tensor& filters_KM = definition.filters_KM;
  taper_W_ = definition.taper_W.narrow(0, 1, window_ - 1);
  for (std::int64_t mel = 0; mel < filters_KM.size(1); mel += kMelsInBand) {
    const std::int64_t mels = std::min(kMelsInBand, filters_KM.size(1) - mel);
    const at::Tensor filters = filters_KM.narrow(1, mel, mels);
    const at::Tensor reached = filters.sum(1).nonzero();
    // Mel bins can be so narrow that no FFT bin lies in any of a band; then one bin of weight zero serves.
    const std::int64_t first = reached.size(0) > 0 ? reached.min().item<std::int64_t>() : 0;
    const std::int64_t last = reached.size(0) > 0 ? reached.max().item<std::int64_t>() : 0;
    bands_.push_back({.first_mel = mel,
                      .mels = mels,
                      .first_bin = first,
                      .bins = last - first + 1,
                      .weight = filters.narrow(0, first, last - first + 1).repeat_interleave(2, 0)});
  }
}

void FbankTensors::operator()(const at::Tensor& waveforms_BS, const at::Tensor& log_mel_BTM) const {
  const at::Device device = waveforms_BS.device();
  const at::Tensor taper_W = taper_W_.to(device);
  std::vector<at::Tensor> weights;
  for (const Band& band : bands_) weights.push_back(band.weight.to(device));

  const std::int64_t clips = log_mel_BTM.size(0);
  const std::int64_t frames = log_mel_BTM.size(1);
  const std::int64_t clips_in_slice = std::max<std::int64_t>(1, std::min(clips, kFramesInSlice));
  const std::int64_t frames_in_slice = std::max<std::int64_t>(1, kFramesInSlice / clips_in_slice);
  for (std::int64_t clip = 0; clip < clips; clip += clips_in_slice) {
    for (std::int64_t frame = 0; frame < frames; frame += frames_in_slice) {
      const std::int64_t B = std::min(clips_in_slice, clips - clip);
      const std::int64_t T = std::min(frames_in_slice, frames - frame);
      slice(waveforms_BS.narrow(0, clip, B).narrow(1, frame * shift_, (T - 1) * shift_ + window_), taper_W,
            weights, log_mel_BTM.narrow(0, clip, B).narrow(1, frame, T));
    }
  }
}

void FbankTensors::slice(const at::Tensor& waveforms_BS, const at::Tensor& taper_W,
                         const std::vector<at::Tensor>& weights, const at::Tensor& log_mel_BTM) const {
  // The window is zero at a frame's first sample, so pre-emphasis need not say what comes before it.
  const at::Tensor frames_BTW = waveforms_BS.unfold(1, window_, shift_);
  const at::Tensor centred_BTW = frames_BTW.sub(frames_BTW.mean(2, /*keepdim=*/true));
  at::Tensor tapered_BTW = centred_BTW.narrow(2, 0, window_ - 1).mul(kPreEmphasis);
  at::sub_out(tapered_BTW, centred_BTW.narrow(2, 1, window_ - 1), tapered_BTW).mul_(taper_W);
  const at::Tensor padded_BTN = at::constant_pad_nd(tapered_BTW, {1, fft_size_ - window_});

  // Real and imaginary parts stay interleaved: the filters, their rows doubled, add the squares.
  const at::Tensor squares_RK =
      at::view_as_real(at::fft_rfft(padded_BTN)).square_().view({-1, fft_size_ + 2});
  at::Tensor energy_RM = log_mel_BTM.new_empty({squares_RK.size(0), log_mel_BTM.size(2)});
  for (std::size_t i = 0; i < bands_.size(); ++i) {
    const Band& band = bands_[i];
    at::Tensor part = energy_RM.narrow(1, band.first_mel, band.mels);
    at::mm_out(part, squares_RK.narrow(1, 2 * band.first_bin, 2 * band.bins), weights[i]);
  }
  log_mel_BTM.copy_(energy_RM.clamp_min_(FLT_EPSILON).log_().view(log_mel_BTM.sizes()));
}

}  // namespace tutti::data
