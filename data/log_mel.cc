#include "data/log_mel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>

namespace tutti::data {
namespace {

// Rows of one width, that of the recipe's frames; 0 beyond each clip.
struct Waves {
  at::Tensor x_BS;           // float32, on the device
  at::Tensor length_B;       // int64 samples, on the device
  at::Tensor host_length_B;  // int32 samples, on the CPU
};

// Most clips of a batch are as long as its rows, so a pass over what lies beyond them is cheaper than a mask.
void silence_beyond(Waves& waves) {
  const auto length = waves.host_length_B.accessor<std::int32_t, 1>();
  for (std::int64_t row = 0; row < length.size(0); ++row)
    if (length[row] < waves.x_BS.size(1)) waves.x_BS[row].slice(0, length[row]).zero_();
}

// In float64 [B], of blocks in float32: a seventh of the time of a sum in float64 alone. Blocks of 16-bit
// samples are exact on every device; of mixtures the rounding is that of one block beside the sum of all.
at::Tensor sums(const at::Tensor& x_BS) {
  constexpr std::int64_t kBlock = 256;
  const std::int64_t whole = x_BS.size(1) / kBlock * kBlock;
  const at::Tensor blocks = x_BS.slice(1, 0, whole).unflatten(1, {-1, kBlock}).sum(2);
  return blocks.sum(1, /*keepdim=*/false, at::kDouble) +
         x_BS.slice(1, whole).sum(1, /*keepdim=*/false, at::kDouble);
}

// Minus each clip's mean, also beyond the clip, where there were zeros.
void centre(Waves& waves) {
  const at::Tensor mean_B = sums(waves.x_BS) / waves.length_B.clamp_min(1);
  waves.x_BS.sub_(mean_B.to(at::kFloat).unsqueeze(1));
}

Waves waves_of(const at::Tensor& samples_BS, const at::Tensor& length, at::Device device) {
  Waves waves = {samples_BS.to(device, /*non_blocking=*/true).to(at::kFloat).mul_(0x1p-15),
                 length.to(device, at::kLong), length};
  centre(waves);
  return waves;
}

// A row that is not mixed has weight 1 and stays as it is. Product and sum are apart, as in fbank_loops.h:
// fused they round otherwise (addcmul_ put one bin more of a row of 1,792 beyond 1e-4 of the exact
// mixture's).
void mix(Waves& own, Waves partner, const at::Tensor& weight_B) {
  const auto share = [](const at::Tensor& x_B) { return x_B.to(at::kFloat).unsqueeze(1); };
  silence_beyond(partner);
  own.x_BS.mul_(share(weight_B)).add_(partner.x_BS.mul_(share(1 - weight_B)));
  silence_beyond(own);
  centre(own);
}

}  // namespace

LogMel log_mel_of_spectrograms(const Batch& batch, at::Device device, const at::Tensor& weight_B) {
  LogMel features = {batch.input.to(device, /*non_blocking=*/true).to(at::kFloat),
                     batch.length.to(device, at::kLong)};
  if (!batch.partner.defined()) return features;
  // With weight 1, log 0 = -inf leaves the clip as it is.
  const at::Tensor weight_B11 = weight_B.view({-1, 1, 1});
  const at::Tensor partner_BTM = batch.partner.to(device, /*non_blocking=*/true).to(at::kFloat);
  features.x_BTM = at::logaddexp(features.x_BTM + weight_B11.log().to(at::kFloat),
                                 partner_BTM + (1 - weight_B11).log().to(at::kFloat));
  features.length_B = at::maximum(features.length_B, batch.partner_length.to(device, at::kLong));
  return features;
}

LogMel log_mel_of_waveforms(const Batch& batch, at::Device device, const at::Tensor& weight_B,
                            const Fbank& fbank, const FeatureOptions& features) {
  Waves waves = waves_of(batch.input, batch.length, device);
  if (batch.partner.defined()) mix(waves, waves_of(batch.partner, batch.partner_length, device), weight_B);
  // Frames that fit wholly into the clip, frame_count() of every row, and say nothing of what lies beyond it.
  const at::Tensor beyond_B = waves.length_B - window_samples(features);
  const at::Tensor frames_B = beyond_B.div(shift_samples(features), "floor") + 1;
  return {fbank(waves.x_BS), at::where(beyond_B >= 0, frames_B, 0)};
}

}  // namespace tutti::data
