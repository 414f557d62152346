#pragma once
// Log-mel filter-bank spectrograms as Kaldi computes them, with the settings that AST uses.
//
// Legend: B clips, S samples, T frames, W window, N FFT size, M mel bins,
// R = B T rows, K = N + 2 squared parts.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "data/features.h"

namespace tutti::data {

class Fbank {
 public:
  // Throws UsageError if the options do not go together. options.frames plays no part here.
  explicit Fbank(const FeatureOptions& options);

  // Waveforms [B, S] float32, full scale [-1, 1], to raw log-mel energies [B, T, M] float32 on the
  // same device; T = frame_count(options, S). On a CPU each clip's result is, to the last bit, the same in
  // every batch. Frames are processed in slices, so that memory beyond the result stays below 20 MB on a
  // CPU and 1 GB on a GPU. Not differentiable. Throws Error for another shape or type, and for clips shorter
  // than one window.
  //
  // Per frame: mean removal, pre-emphasis 0.97, symmetric Hann window, zero-padding to a power of two,
  // power spectrum, triangular filters of equal width on the scale 1127 ln(1 + f / 700), natural
  // logarithm, floored at ln(2^-23). (Kaldi, feat/feature-fbank.h; Gong et al. 2021, section 2.1.)
  at::Tensor operator()(const at::Tensor& waveforms_BS) const;

 private:
  // Neighbouring mel bins, and the part of the power spectrum that reaches them.
  struct Band {
    std::int64_t first_mel, mels;
    std::int64_t first_bin, bins;
    at::Tensor weight;  // [2 bins, mels]: each row twice, for the real and the imaginary part
  };

  void slice(const at::Tensor& waveforms_BS, const at::Tensor& taper_W,
             const std::vector<at::Tensor>& weights, at::Tensor log_mel_BTM) const;

  FeatureOptions options_;
  std::int64_t window_, shift_, fft_size_;
  at::Tensor taper_W_;
  std::vector<Band> bands_;
};

}  // namespace tutti::data
