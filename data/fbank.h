#pragma once
// Log-mel filter-bank spectrograms as Kaldi computes them, with the settings that AST uses.
//
// Legend: B clips, S samples, T frames, W window, M mel bins, K FFT bins below half the sample rate.

#include <ATen/core/Tensor.h>

#include "data/fbank_definition.h"
#include "data/fbank_loops.h"
#include "data/fbank_tensors.h"
#include "data/features.h"

namespace tutti::data {

class Fbank {
 public:
  // Throws UsageError if the options do not go together. options.frames plays no part here.
  explicit Fbank(const FeatureOptions& options);

  // Waveforms [B, S] float32, full scale [-1, 1], to raw log-mel energies [B, T, M] float32 on the
  // same device; T = frame_count(options, S). On a CPU each clip's result is, to the last bit, the same in
  // every batch. Memory beyond the result stays below 1 MB a thread on a CPU and 1 GB on a GPU. Not
  // differentiable. Throws Error for another shape or type, and for clips shorter than one window.
  //
  // Per frame: mean removal, pre-emphasis 0.97, symmetric Hann window, zero-padding to a power of two,
  // power spectrum, triangular filters of equal width on the scale 1127 ln(1 + f / 700), natural
  // logarithm, floored at ln(2^-23). (Kaldi, feat/feature-fbank.h; Gong et al. 2021, section 2.1.)
  at::Tensor operator()(const at::Tensor& waveforms_BS) const;

 private:
  FeatureOptions options_;
  FbankDefinition definition_;
  FbankLoops loops_;      // on a CPU
  FbankTensors tensors_;  // elsewhere
};

}  // namespace tutti::data
