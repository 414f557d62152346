#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

#include "data/features.h"

namespace tutti::data {

// The definition, word for word and in float64: frames, minus mean, pre-emphasis, Hann, discrete Fourier
// transform, power, triangles on the mel scale, logarithm.
inline at::Tensor by_definition(const FeatureOptions& options, const at::Tensor& wave_1S) {
  const at::Tensor wave = wave_1S.to(at::kDouble).contiguous();
  const std::span x(wave.const_data_ptr<double>(), static_cast<std::size_t>(wave.numel()));
  const auto window = static_cast<std::size_t>(window_samples(options));
  const auto shift = static_cast<std::size_t>(shift_samples(options));
  const auto mels = static_cast<std::size_t>(options.mels);
  const double rate = static_cast<double>(options.sample_rate);
  std::size_t n = 1;
  while (n < window) n *= 2;
  const auto mel_scale = [](double hz) { return 1127 * std::log(1 + hz / 700); };
  const double low = mel_scale(options.low_hz);
  const double high = mel_scale(options.high_hz > 0 ? options.high_hz : rate / 2);
  const double width = (high - low) / static_cast<double>(mels + 1);

  const std::int64_t frames = frame_count(options, wave_1S.size(1));
  at::Tensor result = at::empty({frames, options.mels}, at::kDouble);
  std::span out(result.mutable_data_ptr<double>(), static_cast<std::size_t>(result.numel()));
  for (std::size_t t = 0; t < static_cast<std::size_t>(frames); ++t) {
    std::vector<double> frame(x.begin() + t * shift, x.begin() + t * shift + window);
    double mean = 0;
    for (double value : frame) mean += value / static_cast<double>(window);
    for (double& value : frame) value -= mean;
    for (std::size_t i = window; i-- > 0;) {
      frame[i] -= 0.97 * frame[i > 0 ? i - 1 : 0];
      frame[i] *= 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) /
                                       static_cast<double>(window - 1));
    }
    std::vector<double> energy(mels);
    for (std::size_t k = 0; k < n / 2; ++k) {
      std::complex<double> sum = 0;
      const auto turn =
          std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n));
      std::complex<double> phase = 1;
      for (double value : frame) sum += value * phase, phase *= turn;
      const double mel = mel_scale(static_cast<double>(k) * rate / static_cast<double>(n));
      for (std::size_t m = 0; m < mels; ++m) {
        const double left = low + static_cast<double>(m) * width;
        energy[m] += std::norm(sum) * std::max(0.0, std::min(mel - left, left + 2 * width - mel) / width);
      }
    }
    for (std::size_t m = 0; m < mels; ++m)
      out[t * mels + m] = std::log(std::max<double>(energy[m], FLT_EPSILON));
  }
  return result;
}

}  // namespace tutti::data
