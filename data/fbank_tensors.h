#pragma once
// The filter bank in batched tensor operations, for GPUs. (It runs on CPUs too: slower than the loops.)

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "data/fbank_definition.h"

namespace tutti::data {

class FbankTensors {
 public:
  explicit FbankTensors(const FbankDefinition& definition);

  // waveforms [B, S] to log-mel energies [B, T, M], both on one device.
  void operator()(const at::Tensor& waveforms_BS, const at::Tensor& log_mel_BTM) const;

 private:
  // Neighbouring mel bins, and the part of the power spectrum that reaches them.
  struct Band {
    std::int64_t first_mel, mels;
    std::int64_t first_bin, bins;
    at::Tensor weight;  // [2 bins, mels]: each row twice, for the real and the imaginary part
  };

  void slice(const at::Tensor& waveforms_BS, const at::Tensor& taper_W,
             const std::vector<at::Tensor>& weights, const at::Tensor& log_mel_BTM) const;

  std::int64_t window_, shift_, fft_size_;
  at::Tensor taper_W_;
  std::vector<Band> bands_;
};

}  // namespace tutti::data
