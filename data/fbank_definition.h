#pragma once
// What a filter bank is, whatever computes it.

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "data/features.h"

namespace tutti::data {

struct FbankDefinition {
  // Throws UsageError if the options do not go together.
  explicit FbankDefinition(const FeatureOptions& options);

  std::int64_t window, shift;  // samples of a frame, and from one frame's start to the next
  std::int64_t fft_size;       // a power of two
  at::Tensor taper_W;          // symmetric Hann window
  at::Tensor filters_KM;       // each mel bin's weights of the power spectrum; K = fft_size / 2
};

}  // namespace tutti::data
