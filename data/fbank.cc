#include "data/fbank.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/log.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/view_as_real.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace tutti::data {
namespace {

constexpr double kPreEmphasis = 0.97;

// Each slice's intermediates (4 MB at 16 kHz) should stay in a core's cache; a GPU wants few, large ones.
constexpr std::int64_t kFramesOnCpu = 1024;
constexpr std::int64_t kFramesOnGpu = 1 << 16;

// Frequency bins that feed a mel bin lie close together, so the product with the filters is cut into
// blocks of mel bins; at 128 mels four blocks save three quarters of the multiplications.
constexpr std::int64_t kMelsInBand = 32;

double mel_scale(double hz) { return 1127.0 * std::log1p(hz / 700.0); }

at::Tensor to_tensor(std::vector<float>& values, at::IntArrayRef shape) {
  return at::from_blob(values.data(), shape).clone();
}

// [N]: the Hann window that is zero at both ends, then zeros up to the FFT size.
at::Tensor padded_hann(std::int64_t window, std::int64_t fft_size) {
  std::vector<float> taper(static_cast<std::size_t>(fft_size));
  const double step = 2 * std::numbers::pi / static_cast<double>(window - 1);
  for (std::int64_t i = 0; i < window; ++i) {
    taper[static_cast<std::size_t>(i)] =
        static_cast<float>(0.5 - 0.5 * std::cos(step * static_cast<double>(i)));
  }
  return to_tensor(taper, {fft_size});
}

// [N / 2][M]: triangles of equal width on the mel scale, overlapping by half. The bin at the Nyquist
// frequency has no weight in Kaldi, and so no row.
std::vector<std::vector<double>> mel_filters(const FeatureOptions& options, std::int64_t fft_size) {
  const double rate = static_cast<double>(options.sample_rate);
  const double low = mel_scale(options.low_hz);
  const double high = mel_scale(options.high_hz > 0 ? options.high_hz : rate / 2);
  const double width = (high - low) / static_cast<double>(options.mels + 1);
  std::vector<std::vector<double>> filters(static_cast<std::size_t>(fft_size / 2));
  for (std::size_t bin = 0; bin < filters.size(); ++bin) {
    const double mel = mel_scale(rate / static_cast<double>(fft_size) * static_cast<double>(bin));
    for (std::int64_t m = 0; m < options.mels; ++m) {
      const double rise = (mel - low) / width - static_cast<double>(m);
      filters[bin].push_back(std::max(0.0, std::min(rise, 2 - rise)));
    }
  }
  return filters;
}

}  // namespace

Fbank::Fbank(const FeatureOptions& options) : options_(options) {
  check(options_);
  window_ = window_samples(options_);
  shift_ = shift_samples(options_);
  fft_size_ = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(window_)));
  taper_N_ = padded_hann(window_, fft_size_);

  const auto filters = mel_filters(options_, fft_size_);
  for (std::int64_t mel = 0; mel < options_.mels; mel += kMelsInBand) {
    const std::int64_t mels = std::min(kMelsInBand, options_.mels - mel);
    const auto reaches = [&](const std::vector<double>& row) {
      const auto first = row.begin() + mel;
      return std::any_of(first, first + mels, [](double weight) { return weight > 0; });
    };
    auto begin = std::find_if(filters.begin(), filters.end(), reaches);
    auto end = std::find_if(filters.rbegin(), filters.rend(), reaches).base();
    if (begin == filters.end())
      begin = filters.begin(), end = begin + 1;  // mel bins narrower than any FFT bin

    std::vector<float> weight;
    for (auto row = begin; row != end; ++row) {
      for (int part = 0; part < 2; ++part)
        weight.insert(weight.end(), row->begin() + mel, row->begin() + mel + mels);
    }
    bands_.push_back({.first_mel = mel,
                      .mels = mels,
                      .first_bin = begin - filters.begin(),
                      .bins = end - begin,
                      .weight = to_tensor(weight, {2 * (end - begin), mels})});
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
  const at::Tensor taper_N = taper_N_.to(device);
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
      slice(waveforms_BS.narrow(0, clip, B).narrow(1, frame * shift_, (T - 1) * shift_ + window_), taper_N,
            weights, result_BTM.narrow(0, clip, B).narrow(1, frame, T));
    }
  }
  return result_BTM;
}

void Fbank::slice(const at::Tensor& waveforms_BS, const at::Tensor& taper_N,
                  const std::vector<at::Tensor>& weights, at::Tensor log_mel_BTM) const {
  const std::int64_t samples = waveforms_BS.size(1);

  // A constant makes no difference to frames whose mean is removed; without it less is rounded away.
  const at::Tensor centred_BS = waveforms_BS.sub(waveforms_BS.mean(1, /*keepdim=*/true));

  // Kaldi removes each frame's mean m, then pre-emphasises: (x[i] - m) - 0.97 (x[i-1] - m)
  // = (x[i] - 0.97 x[i-1]) - 0.03 m. The bracket is the same in every frame but for a frame's first
  // sample, which the window multiplies with zero; so it is computed once a sample, not once a frame.
  at::Tensor emphasised_BS =
      at::zeros({waveforms_BS.size(0), samples + fft_size_ - window_}, waveforms_BS.options());
  at::Tensor inner_BS = emphasised_BS.narrow(1, 1, samples - 1);
  at::sub_out(inner_BS, centred_BS.narrow(1, 1, samples - 1), centred_BS.narrow(1, 0, samples - 1),
              kPreEmphasis);
  const at::Tensor mean_BT1 = centred_BS.unfold(1, window_, shift_).mean(2, /*keepdim=*/true);

  // Frames as long as the FFT: what lies beyond the window is multiplied with zero too.
  at::Tensor frames_BTN = at::sub(emphasised_BS.unfold(1, fft_size_, shift_), mean_BT1, 1 - kPreEmphasis);
  frames_BTN.mul_(taper_N);

  // Real and imaginary parts stay interleaved: the filters, their rows doubled, add the squares.
  const at::Tensor squares_RK =
      at::view_as_real(at::fft_rfft(frames_BTN)).square_().view({-1, fft_size_ + 2});
  at::Tensor energy_RM = at::empty({squares_RK.size(0), options_.mels}, waveforms_BS.options());
  for (std::size_t i = 0; i < bands_.size(); ++i) {
    const Band& band = bands_[i];
    at::Tensor part = energy_RM.narrow(1, band.first_mel, band.mels);
    at::mm_out(part, squares_RK.narrow(1, 2 * band.first_bin, 2 * band.bins), weights[i]);
  }
  at::log_out(log_mel_BTM, energy_RM.clamp_min_(FLT_EPSILON).view(log_mel_BTM.sizes()));
}

}  // namespace tutti::data
