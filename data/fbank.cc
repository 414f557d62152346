#include "data/fbank.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/hann_window.h>
#include <ATen/ops/log.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/view_as_real.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>

#include "base/error.h"

namespace tutti::data {
namespace {

// All is computed in float32, by the operations and in the order of torchaudio's fbank, so that results
// differ from it by a few units in the last place, also where float32 rounding is large (a loud tone
// beside near-silent bins: 1e-2). A more exact evaluation would agree less.
constexpr double kPreEmphasis = 0.97;

// Each slice's intermediates (4 MB at 16 kHz) should stay in a core's cache; a GPU wants few, large ones.
constexpr std::int64_t kFramesOnCpu = 1024;
constexpr std::int64_t kFramesOnGpu = 1 << 16;

// Frequency bins that feed a mel bin lie close together, so the product with the filters is cut into
// blocks of mel bins; at 128 mels four blocks save three quarters of the multiplications.
constexpr std::int64_t kMelsInBand = 32;

// Kaldi's mel scale (feat/mel-computations.h).
double mel_scale(double hz) { return 1127.0 * std::log(1.0 + hz / 700.0); }
at::Tensor mel_scale(const at::Tensor& hz) { return hz.div(700.0).add(1.0).log().mul(1127.0); }

// [N / 2, M]: triangles of equal width on the mel scale, overlapping by half. The FFT bin at half the
// sample rate has no weight in Kaldi, and so no row.
at::Tensor mel_filters(const FeatureOptions& options, std::int64_t fft_size) {
  const double rate = static_cast<double>(options.sample_rate);
  const double low = mel_scale(options.low_hz);
  const double high = mel_scale(options.high_hz > 0 ? options.high_hz : rate / 2);
  const double width = (high - low) / static_cast<double>(options.mels + 1);

  const at::Tensor mel_M = at::arange(options.mels, at::kFloat);
  const at::Tensor left_M = mel_M.mul(width).add(low);
  const at::Tensor centre_M = mel_M.add(1.0).mul(width).add(low);
  const at::Tensor right_M = mel_M.add(2.0).mul(width).add(low);
  const at::Tensor bin_N1 =
      mel_scale(at::arange(fft_size / 2, at::kFloat).mul(rate / static_cast<double>(fft_size))).unsqueeze(1);
  const at::Tensor rise_NM = bin_N1.sub(left_M).div(centre_M.sub(left_M));
  const at::Tensor fall_NM = right_M.sub(bin_N1).div(right_M.sub(centre_M));
  return at::minimum(rise_NM, fall_NM).clamp_min_(0);
}

}  // namespace

Fbank::Fbank(const FeatureOptions& options) : options_(options) {
  check(options_);
  window_ = window_samples(options_);
  shift_ = shift_samples(options_);
  fft_size_ = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(window_)));
  taper_W_ = at::hann_window(window_, /*periodic=*/false, at::kFloat).narrow(0, 1, window_ - 1);

  const at::Tensor filters_NM = mel_filters(options_, fft_size_);
  for (std::int64_t mel = 0; mel < options_.mels; mel += kMelsInBand) {
    const std::int64_t mels = std::min(kMelsInBand, options_.mels - mel);
    const at::Tensor filters = filters_NM.narrow(1, mel, mels);
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

at::Tensor Fbank::operator()(const at::Tensor& waveforms_BS) const {
  if (waveforms_BS.dim() != 2 || waveforms_BS.scalar_type() != at::kFloat) {
    throw Error("fbank wants waveforms [clips, samples] of float32",
                text("it got ", waveforms_BS.sizes(), " of ", waveforms_BS.scalar_type()));
  }
  const std::int64_t clips = waveforms_BS.size(0);
  const std::int64_t frames = frame_count(options_, waveforms_BS.size(1));
  if (frames == 0) {
    throw Error("the sound is too short for a spectrogram",
                text(waveforms_BS.size(1), " samples; one window has ", window_));
  }

  const at::NoGradGuard no_grad;
  const at::Device device = waveforms_BS.device();
  const at::Tensor taper_W = taper_W_.to(device);
  std::vector<at::Tensor> weights;
  for (const Band& band : bands_) weights.push_back(band.weight.to(device));

  // On a CPU clip by clip, so that the shapes of the products, and with them the last bits, are the same
  // in whatever batch a clip comes.
  const std::int64_t clips_in_slice =
      device.is_cpu() ? 1 : std::max<std::int64_t>(1, std::min(clips, kFramesOnGpu));
  const std::int64_t frames_in_slice =
      device.is_cpu() ? kFramesOnCpu : std::max<std::int64_t>(1, kFramesOnGpu / clips_in_slice);

  at::Tensor result_BTM = at::empty({clips, frames, options_.mels}, waveforms_BS.options());
  for (std::int64_t clip = 0; clip < clips; clip += clips_in_slice) {
    for (std::int64_t frame = 0; frame < frames; frame += frames_in_slice) {
      const std::int64_t B = std::min(clips_in_slice, clips - clip);
      const std::int64_t T = std::min(frames_in_slice, frames - frame);
      slice(waveforms_BS.narrow(0, clip, B).narrow(1, frame * shift_, (T - 1) * shift_ + window_), taper_W,
            weights, result_BTM.narrow(0, clip, B).narrow(1, frame, T));
    }
  }
  return result_BTM;
}

void Fbank::slice(const at::Tensor& waveforms_BS, const at::Tensor& taper_W,
                  const std::vector<at::Tensor>& weights, at::Tensor log_mel_BTM) const {
  // The window is zero at a frame's first sample, so pre-emphasis need not say what comes before it.
  const at::Tensor frames_BTW = waveforms_BS.unfold(1, window_, shift_);
  const at::Tensor centred_BTW = frames_BTW.sub(frames_BTW.mean(2, /*keepdim=*/true));
  at::Tensor tapered_BTW = centred_BTW.narrow(2, 0, window_ - 1).mul(kPreEmphasis);
  at::sub_out(tapered_BTW, centred_BTW.narrow(2, 1, window_ - 1), tapered_BTW).mul_(taper_W);
  const at::Tensor padded_BTN = at::constant_pad_nd(tapered_BTW, {1, fft_size_ - window_});

  // Real and imaginary parts stay interleaved: the filters, their rows doubled, add the squares.
  const at::Tensor squares_RK =
      at::view_as_real(at::fft_rfft(padded_BTN)).square_().view({-1, fft_size_ + 2});
  at::Tensor energy_RM = at::empty({squares_RK.size(0), options_.mels}, waveforms_BS.options());
  for (std::size_t i = 0; i < bands_.size(); ++i) {
    const Band& band = bands_[i];
    at::Tensor part = energy_RM.narrow(1, band.first_mel, band.mels);
    at::mm_out(part, squares_RK.narrow(1, 2 * band.first_bin, 2 * band.bins), weights[i]);
  }
  at::log_out(log_mel_BTM, energy_RM.clamp_min_(FLT_EPSILON).view(log_mel_BTM.sizes()));
}

}  // namespace tutti::data
