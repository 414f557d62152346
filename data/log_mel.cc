#include "data/log_mel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>

namespace tutti::data {
namespace {

// Samples before the clip's end: [B, S].
at::Tensor within(const at::Tensor& x_BS, const at::Tensor& length_B) {
  return at::arange(x_BS.size(1), length_B.options()) < length_B.unsqueeze(1);
}

// By the clip's mean; beyond the clip 0 stays 0. Sums in float64 are the same to float32's last bit in any
// order, so a row does not depend on how wide the batch is, nor on the device.
at::Tensor centred(const at::Tensor& x_BS, const at::Tensor& length_B) {
  const at::Tensor sum_B = x_BS.sum(1, /*keepdim=*/false, at::kDouble);
  const at::Tensor mean_B = (sum_B / length_B.clamp_min(1)).to(at::kFloat);
  return at::where(within(x_BS, length_B), x_BS - mean_B.unsqueeze(1), 0);
}

struct Waves {
  at::Tensor x_BS;      // float32, without mean
  at::Tensor length_B;  // int64, samples
};

Waves waves_of(const at::Tensor& samples_BS, const at::Tensor& length, at::Device device) {
  const at::Tensor length_B = length.to(device, at::kLong);
  const at::Tensor x_BS = samples_BS.to(device, /*non_blocking=*/true).to(at::kFloat).mul_(0x1p-15);
  return {centred(x_BS, length_B), length_B};
}

// A row that is not mixed has weight 1 and stays as it is.
at::Tensor mixed(const Waves& own, const Waves& partner, const at::Tensor& weight_B) {
  const auto share = [](const at::Tensor& x_B) { return x_B.to(at::kFloat).unsqueeze(1); };
  const at::Tensor x_BS = own.x_BS * share(weight_B) + partner.x_BS * share(1 - weight_B);
  return centred(at::where(within(x_BS, own.length_B), x_BS, 0), own.length_B);
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
  if (batch.partner.defined())
    waves.x_BS = mixed(waves, waves_of(batch.partner, batch.partner_length, device), weight_B);
  // The frames that fit wholly into the clip: frame_count() of every row.
  const at::Tensor beyond_B = waves.length_B - window_samples(features);
  const at::Tensor frames_B = beyond_B.div(shift_samples(features), "floor") + 1;
  return {fbank(waves.x_BS), at::where(beyond_B >= 0, frames_B, 0)};
}

}  // namespace tutti::data
