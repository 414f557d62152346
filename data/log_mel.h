#pragma once
// From the records of a batch to raw log-mel features on the training device: mixup, and of waveforms the
// filter bank.

#include <ATen/core/Tensor.h>

#include "data/batch.h"
#include "data/fbank.h"

namespace tutti::data {

struct LogMel {
  at::Tensor x_BTM;     // float32
  at::Tensor length_B;  // int64: frames that count; what the others hold says nothing
};

// `weight_B`: float64 on the device, each clip's own share of its mixture; needed where the batch has
// partners.

// float16 spectrograms. Mixup adds mel energies, log(m exp(a) + (1 - m) exp(b)), and what comes out is as
// long as the longer of the two: energies of independent sounds add, waveforms cannot be had back.
LogMel log_mel_of_spectrograms(const Batch& batch, at::Device device, const at::Tensor& weight_B);

// int16 waveforms, as AST's dataloader.py does it: full scale [-1, 1), minus the clip's mean; mixed
// m a + (1 - m) b with the partner, zero-padded or cut to the clip's own length, and minus the mean again;
// fbank. The means are over what the batch holds of a clip.
LogMel log_mel_of_waveforms(const Batch& batch, at::Device device, const at::Tensor& weight_B,
                            const Fbank& fbank, const FeatureOptions& features);

}  // namespace tutti::data
