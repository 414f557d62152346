#pragma once
// From stored records to the model's input, on the training device: augmentation, padding, normalisation.

#include <ATen/core/Tensor.h>

#include "data/batch.h"
#include "data/fbank.h"
#include "data/features.h"
#include "data/log_mel.h"

namespace tutti::data {

// In this order (AST's dataloader.py: mixup, fbank, padding, SpecAugment, normalisation, noise, roll):
//   1. raw log-mel in float32, of waveforms by the fbank
//   2. mixup: of waveforms before the fbank, which is AST's; of spectrograms by their energies (log_mel.h)
//   3. time stretch by linear interpolation between frames
//   4. gain: + g ln(10) / 10 where there is sound, not below the floor
//   5. frames beyond the clip: 0 or the floor, as FeatureOptions::padding says
//   6. SpecAugment: one band of mels and one stretch of frames become 0
//   7. (x - mean) / (2 std)
//   8. noise: + n U(0, 1), for each element
//   9. roll along time
// Without draws (evaluation): 1, 5 and 7. Operations are batched; one that no row drew is left out. A row
// depends on its own features and draws alone, not on its neighbours, rank or device.
class FrontEnd {
 public:
  // mean, std: of the raw log-mel features. Throws UsageError when std is not positive.
  FrontEnd(const FeatureOptions& features, double mean, double std);

  // Model input [B, frames, mels] float32 on `device`.
  at::Tensor operator()(const Batch& batch, at::Device device) const;

  // 1 and 2 alone.
  LogMel log_mel(const Batch& batch, at::Device device) const;

 private:
  LogMel log_mel(const Batch& batch, at::Device device, const at::Tensor& draws) const;

  FeatureOptions features_;
  Fbank fbank_;
  double padding_;
  double mean_;
  double std_;
};

}  // namespace tutti::data
