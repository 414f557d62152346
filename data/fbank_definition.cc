#include "data/fbank_definition.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/hann_window.h>
#include <ATen/ops/minimum.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace tutti::data {
namespace {

// Kaldi's mel scale (feat/mel-computations.h).
double mel_scale(double hz) { return 1127.0 * std::log(1.0 + hz / 700.0); }
at::Tensor mel_scale(const at::Tensor& hz) { return hz.div(700.0).add(1.0).log().mul(1127.0); }

// [K, M]: triangles of equal width on the mel scale, overlapping by half, in float32 by the operations and
// in the order of torchaudio's fbank. The FFT bin at half the sample rate has no weight in Kaldi, and so no
// row.
at::Tensor mel_filters(const FeatureOptions& options, std::int64_t fft_size) {
  const double rate = static_cast<double>(options.sample_rate);
  const double low = mel_scale(options.low_hz);
  const double high = mel_scale(options.high_hz > 0 ? options.high_hz : rate / 2);
  const double width = (high - low) / static_cast<double>(options.mels + 1);

  const at::Tensor mel_M = at::arange(options.mels, at::kFloat);
  const at::Tensor left_M = mel_M.mul(width).add(low);
  const at::Tensor centre_M = mel_M.add(1.0).mul(width).add(low);
  const at::Tensor right_M = mel_M.add(2.0).mul(width).add(low);
  const at::Tensor bin_K1 =
      mel_scale(at::arange(fft_size / 2, at::kFloat).mul(rate / static_cast<double>(fft_size))).unsqueeze(1);
  const at::Tensor rise_KM = bin_K1.sub(left_M).div(centre_M.sub(left_M));
  const at::Tensor fall_KM = right_M.sub(bin_K1).div(right_M.sub(centre_M));
  return at::minimum(rise_KM, fall_KM).clamp_min_(0);
}

}  // namespace

FbankDefinition::FbankDefinition(const FeatureOptions& options) {
  check(options);
  window = window_samples(options);
  shift = shift_samples(options);
  fft_size =
      std::max<std::int64_t>(4, static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(window))));
  taper_W = at::hann_window(window, /*periodic=*/false, at::kFloat);
  filters_KM = mel_filters(options, fft_size);
}

}  // namespace tutti::data
