// The front end on int16 waveforms: beside shards of spectrograms, and against float64.

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/counter_rng.h"
#include "data/front_end.h"
#include "tests/data/fbank_by_definition.h"

namespace tutti::data {
namespace {

constexpr double kMean = -4.27;
constexpr double kStd = 4.57;
const FeatureOptions kOptions{.frames = 30};
const std::int64_t kSamples = sample_count(kOptions, kOptions.frames);

// A tone that rises, noise, and in the middle near silence, off zero by some; zeros from `length` on.
at::Tensor clip(std::int64_t number, std::int64_t length) {
  at::Tensor clip_S = at::zeros({kSamples}, at::kShort);
  auto* samples = clip_S.mutable_data_ptr<std::int16_t>();
  CounterRng rng(static_cast<std::uint64_t>(number), 77);
  for (std::int64_t i = 0; i < length; ++i) {
    const double t = static_cast<double>(i) / 16000;
    const double level = i > length / 3 && i < length / 2 ? 0.001 : 1;
    const double tone =
        7000 * std::sin(2 * std::numbers::pi * (150 + 400 * static_cast<double>(number) + 900 * t) * t);
    samples[i] = static_cast<std::int16_t>(500 + level * (tone + 1500 * rng.normal()));
  }
  return clip_S;
}

struct Clips {
  at::Tensor samples_BS;  // int16
  at::Tensor length;      // int32
};

Clips clips(const std::vector<std::int64_t>& lengths, std::int64_t first_number) {
  std::vector<at::Tensor> rows;
  at::Tensor length = at::zeros({std::ssize(lengths)}, at::kInt);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    rows.push_back(clip(first_number + static_cast<std::int64_t>(i), lengths[i]));
    length.mutable_data_ptr<std::int32_t>()[i] = static_cast<std::int32_t>(lengths[i]);
  }
  return {at::stack(rows), length};
}

// The longest, with samples over, of one frame, shorter than one window, of one sample, of none.
const std::vector<std::int64_t> kLengths{kSamples, 3003, 400, 399, 1, 0, 2500, 1700};
const std::vector<std::int64_t> kPartnerLengths{2000, kSamples, 4000, 300, 1000, 0, 2500, 0};

std::vector<Draws> mixing(std::size_t rows) {
  std::vector<Draws> draws(rows);
  for (std::size_t b = 0; b < rows; ++b) {
    if (kPartnerLengths[b] == 0) continue;
    draws[b].partner = 1;
    draws[b].mix = 0.3f + 0.07f * static_cast<float>(b);
  }
  return draws;
}

Batch waveform_batch(bool mixed) {
  const Clips own = clips(kLengths, 1);
  Batch batch;
  batch.input = own.samples_BS;
  batch.length = own.length;
  if (mixed) {
    const Clips partners = clips(kPartnerLengths, 20);
    batch.partner = partners.samples_BS;
    batch.partner_length = partners.length;
    batch.draws = mixing(kLengths.size());
  }
  return batch;
}

at::Tensor as_float(const at::Tensor& samples) { return samples.to(at::kFloat) / 32768; }

// What tutti shard stores of the same samples.
Batch spectrogram_batch(const Clips& stored) {
  Batch batch;
  const std::int64_t rows = stored.length.size(0);
  batch.input = at::full({rows, kOptions.frames, kOptions.mels}, kFloor, at::kHalf);
  batch.length = at::zeros({rows}, at::kInt);
  const Fbank fbank(kOptions);
  for (std::int64_t b = 0; b < rows; ++b) {
    const std::int64_t samples = stored.length[b].item<std::int32_t>();
    const std::int64_t frames = frame_count(kOptions, samples);
    batch.length.mutable_data_ptr<std::int32_t>()[b] = static_cast<std::int32_t>(frames);
    if (frames == 0) continue;
    const at::Tensor wave = as_float(stored.samples_BS[b].narrow(0, 0, samples)).unsqueeze(0);
    batch.input[b].narrow(0, 0, frames).copy_(fbank(wave).squeeze(0));
  }
  return batch;
}

FrontEnd front_end() { return {kOptions, kMean, kStd}; }

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// Of bins more than 1e-4 apart.
double share_far(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().gt(1e-4).to(at::kDouble).mean().item<double>();
}

// As tests/data/fbank_test.cc: at most 2e-3 apart, and no more than one bin in a thousand by 1e-4.
void expect_fbank_tolerance(const at::Tensor& a, const at::Tensor& b, const std::string& what) {
  EXPECT_LE(distance(a, b), 2e-3) << what;
  EXPECT_LE(share_far(a, b), 1e-3) << what;
}

TEST(WaveformFrontEnd, AgreesWithTheFbankOfTheSameSamples) {
  const Batch batch = waveform_batch(false);
  const LogMel features = front_end().log_mel(batch, at::kCPU);
  ASSERT_EQ(features.x_BTM.sizes(), (at::IntArrayRef{8, 30, 128}));
  for (std::int64_t b = 0; b < batch.size(); ++b) {
    const std::int64_t samples = kLengths[static_cast<std::size_t>(b)];
    const std::int64_t frames = frame_count(kOptions, samples);
    EXPECT_EQ(features.length_B[b].item<std::int64_t>(), frames);
    if (frames == 0) continue;
    const at::Tensor wave = as_float(batch.input[b].narrow(0, 0, samples)).unsqueeze(0);
    expect_fbank_tolerance(features.x_BTM[b].narrow(0, 0, frames), Fbank(kOptions)(wave).squeeze(0),
                           "row " + std::to_string(b));
  }
}

// 6e-3 of raw log-mel: half a unit of float16 between -16 and -8 or 8 and 16, 3.9e-3, and the fbank's 2e-3.
// The normalised input, divided by 2 std, is within 6e-3 / (2 std).
TEST(WaveformFrontEnd, AgreesWithShardsOfSpectrograms) {
  const Batch waves = waveform_batch(false);
  const Batch spectrograms = spectrogram_batch({waves.input, waves.length});
  const FrontEnd both = front_end();
  const LogMel a = both.log_mel(waves, at::kCPU);
  const LogMel b = both.log_mel(spectrograms, at::kCPU);
  EXPECT_TRUE(a.length_B.equal(b.length_B));
  for (std::int64_t row = 0; row < waves.size(); ++row) {
    const std::int64_t frames = a.length_B[row].item<std::int64_t>();
    if (frames == 0) continue;
    const double apart = distance(a.x_BTM[row].narrow(0, 0, frames), b.x_BTM[row].narrow(0, 0, frames));
    EXPECT_LE(apart, 6e-3) << row;
    EXPECT_GT(apart, 1e-4) << row;  // float16 shows: these are two paths
  }
  EXPECT_LE(distance(both(waves, at::kCPU), both(spectrograms, at::kCPU)), 6e-3 / (2 * kStd));
}

// AST's dataloader.py in float64: each minus its mean; the partner zero-padded or cut to the clip's length;
// mixed; minus the mean; fbank by its definition. In near silence beside a loud tone the fbank of any float32
// signal leaves the definition by more than 1e-4, in 0.5% of a row's bins. So that share is compared with the
// one of the fbank of the exact mixture, rounded once.
TEST(WaveformFrontEnd, MixesWaveformsAsTheAuthorsDo) {
  const Batch batch = waveform_batch(true);
  const LogMel features = front_end().log_mel(batch, at::kCPU);
  const auto centred = [](const at::Tensor& x_S) { return x_S.numel() > 0 ? x_S - x_S.mean() : x_S; };
  double apart_without = 0;
  for (std::int64_t b = 0; b < batch.size(); ++b) {
    const auto at = static_cast<std::size_t>(b);
    const std::int64_t samples = kLengths[at];
    const std::int64_t frames = frame_count(kOptions, samples);
    EXPECT_EQ(features.length_B[b].item<std::int64_t>(), frames) << "a mixture is as long as the clip";
    if (frames == 0) continue;
    const at::Tensor own = centred(batch.input[b].narrow(0, 0, samples).to(at::kDouble) / 32768);
    at::Tensor partner = centred(batch.partner[b].narrow(0, 0, kPartnerLengths[at]).to(at::kDouble) / 32768);
    const std::int64_t missing = samples - kPartnerLengths[at];
    partner = missing > 0 ? at::constant_pad_nd(partner, {0, missing}) : partner.narrow(0, 0, samples);
    const double share = batch.draws[at].mix;
    const at::Tensor mixture = centred(own * share + partner * (1 - share));
    const at::Tensor expected = by_definition(kOptions, mixture.unsqueeze(0));
    const at::Tensor actual = features.x_BTM[b].narrow(0, 0, frames);
    const at::Tensor rounded = Fbank(kOptions)(mixture.to(at::kFloat).unsqueeze(0)).squeeze(0);
    const std::string row = "row " + std::to_string(b);
    expect_fbank_tolerance(actual, rounded, row);
    EXPECT_LE(distance(actual, expected), 2e-3) << row;
    EXPECT_LE(share_far(actual, expected), share_far(rounded, expected) + 1e-3) << row;
    apart_without = std::max(apart_without, distance(actual, by_definition(kOptions, own.unsqueeze(0))));
  }
  EXPECT_GT(apart_without, 1) << "nothing was mixed";
}

// What only this path can: with shards of spectrograms a mixture is an approximation.
TEST(WaveformFrontEnd, MixtureOfSpectrogramsIsAnother) {
  const Clips own = clips({kSamples}, 1), partner = clips({kSamples}, 2);
  Batch waves;
  waves.input = own.samples_BS;
  waves.length = own.length;
  waves.partner = partner.samples_BS;
  waves.partner_length = partner.length;
  Batch spectrograms = spectrogram_batch(own);
  const Batch other = spectrogram_batch(partner);
  spectrograms.partner = other.input;
  spectrograms.partner_length = other.length;
  waves.draws = spectrograms.draws = {Draws{.partner = 1, .mix = 0.5}};
  const at::Tensor a = front_end().log_mel(waves, at::kCPU).x_BTM;
  const at::Tensor b = front_end().log_mel(spectrograms, at::kCPU).x_BTM;
  EXPECT_GT((a - b).abs().mean().item<double>(), 0.3);
}

TEST(WaveformFrontEnd, RowsDoNotDependOnTheirNeighbours) {
  Batch batch = waveform_batch(true);
  for (std::size_t b = 0; b < batch.draws.size(); ++b) {
    batch.draws[b].key = b;
    batch.draws[b].roll = static_cast<std::int32_t>(b);
    batch.draws[b].time_mask = {.start = 3, .width = 2};
  }
  const at::Tensor together = front_end()(batch, at::kCPU);
  for (std::int64_t b = 0; b < batch.size(); ++b) {
    EXPECT_TRUE(front_end()(slice(batch, b, b + 1), at::kCPU).equal(together.slice(0, b, b + 1))) << b;
  }
}

TEST(WaveformFrontEnd, WhatIsShorterThanAWindowIsPadding) {
  const at::Tensor output = front_end()(waveform_batch(false), at::kCPU);
  const auto padding = static_cast<float>((0 - kMean) / (2 * kStd));
  for (const std::int64_t row : {3, 4, 5}) {
    EXPECT_FLOAT_EQ(output[row].min().item<float>(), padding);
    EXPECT_FLOAT_EQ(output[row].max().item<float>(), padding);
  }
  EXPECT_NE(output[2][0].min().item<float>(), padding);  // one frame
  EXPECT_FLOAT_EQ(output[2].slice(0, 1).min().item<float>(), padding);
}

TEST(WaveformFrontEnd, EmptyPartOfABatchGivesAnEmptyInput) {
  const Batch batch = slice(waveform_batch(true), 0, 0);
  EXPECT_EQ(front_end()(batch, at::kCPU).sizes(), (at::IntArrayRef{0, 30, 128}));
}

}  // namespace
}  // namespace tutti::data
