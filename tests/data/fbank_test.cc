#include "data/fbank.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <string>

#include "base/error.h"
#include "models/safetensors.h"
#include "tests/data/fbank_by_definition.h"

namespace tutti::data {
namespace {

const std::string kGolden = "tests/golden/fbank.safetensors";  // by tests/golden/make_fbank.py
const FeatureOptions kOther{
    .sample_rate = 22050, .mels = 40, .frame_shift_ms = 12.5, .low_hz = 60, .high_hz = 10000};

at::Tensor golden(const std::string& name) {
  const models::SafetensorsReader reader(kGolden);
  for (const auto& entry : reader.header().entries) {
    if (entry.name != name) continue;
    const bool is_wave = entry.dtype == models::DType::i16;
    at::Tensor tensor = at::empty(entry.shape, is_wave ? at::kShort : at::kFloat);
    reader.read(entry, {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()});
    return is_wave ? tensor.to(at::kFloat).div(32768).view({-1, tensor.size(-1)}) : tensor;
  }
  throw Error("no tensor " + name + " in " + kGolden);
}

at::Tensor noise(std::int64_t clips, std::int64_t samples) {
  at::Tensor wave = at::empty({clips, samples}, at::kFloat);
  std::uint32_t state = 1;
  for (float& x : std::span(wave.mutable_data_ptr<float>(), static_cast<std::size_t>(wave.numel()))) {
    state = state * 1664525 + 1013904223;
    x = static_cast<float>(state >> 8) / (1 << 24) - 0.5F;
  }
  return wave;
}

struct Distance {
  double most, mean, far;  // far: share of bins more than 1e-4 apart
};

Distance distance(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor gap = a.to(at::kDouble).sub(b.to(at::kDouble)).abs();
  return {gap.max().item<double>(), gap.mean().item<double>(),
          gap.gt(1e-4).to(at::kDouble).mean().item<double>()};
}

struct Case {
  std::string samples, features;
  FeatureOptions options;
};

const std::vector<Case> kCases{
    {"noise.samples", "noise.mels128", {}},       {"whisper.samples", "whisper.mels128", {}},
    {"clicks.samples", "clicks.mels128", {}},     {"clip.samples", "clip.mels128", {}},
    {"excerpts.samples", "excerpts.mels128", {}}, {"clip.samples", "clip.other", kOther},
};
// Tones: in bins 120 dB below them every float32 FFT leaves its own rounding, up to 3e-2 of the logarithm.
const Case kChirp{"chirp.samples", "chirp.mels128", {}};

at::Tensor frames_of(const Case& c) { return Fbank(c.options)(golden(c.samples)).flatten(0, 1); }

TEST(Fbank, MatchesTorchaudio) {
  for (const Case& c : kCases) {
    const Distance gap = distance(frames_of(c), golden(c.features));
    EXPECT_LE(gap.most, 2e-3) << c.features;
    EXPECT_LE(gap.far, 1e-3) << c.features;
  }
  EXPECT_LE(distance(frames_of(kChirp), golden(kChirp.features)).most, 3e-2);
}

TEST(Fbank, IsNoFartherFromFloat64ThanTorchaudio) {
  std::vector<Case> cases = kCases;
  cases.push_back(kChirp);
  for (const Case& c : cases) {
    std::vector<at::Tensor> exact;
    for (const at::Tensor& wave_S : golden(c.samples).unbind()) {
      exact.push_back(by_definition(c.options, wave_S.unsqueeze(0)));
    }
    const at::Tensor exact_TM = at::cat(exact);
    const Distance ours = distance(frames_of(c), exact_TM);
    const Distance theirs = distance(golden(c.features), exact_TM);
    EXPECT_LE(ours.mean, theirs.mean) << c.features;
    EXPECT_LE(ours.far, theirs.far) << c.features;
    EXPECT_LE(ours.most, 1.05 * theirs.most) << c.features;  // one bin of thousands
  }
}

// What a GPU computes, here on the CPU.
TEST(Fbank, TensorsAgreeWithLoops) {
  for (const Case& c : kCases) {
    const at::Tensor waves_BS = golden(c.samples);
    const at::Tensor loops_BTM = Fbank(c.options)(waves_BS);
    at::Tensor tensors_BTM = at::empty_like(loops_BTM);
    FbankTensors{FbankDefinition(c.options)}(waves_BS, tensors_BTM);
    EXPECT_LE(distance(tensors_BTM, loops_BTM).most, 2e-3) << c.features;
    EXPECT_LE(distance(tensors_BTM.flatten(0, 1), golden(c.features)).most, 4e-6) << c.features;
  }
}

TEST(Fbank, SilenceAndConstantsGiveTheFloor) {
  const Fbank fbank{FeatureOptions{}};
  for (double level : {0.0, 0.25, -1.0}) {
    const at::Tensor log_mel = fbank(at::full({2, 16000}, level, at::kFloat));
    EXPECT_EQ(log_mel.sizes(), (at::IntArrayRef{2, 98, 128}));
    EXPECT_FLOAT_EQ(log_mel.min().item<float>(), static_cast<float>(kFloor));
    EXPECT_FLOAT_EQ(log_mel.max().item<float>(), static_cast<float>(kFloor));
  }
}

// 128 bins from 20 Hz are so narrow that the fourth lies between two FFT bins.
TEST(Fbank, MelBinThreeHoldsNothing) {
  const at::Tensor log_mel = Fbank(FeatureOptions{})(noise(1, 16000));
  EXPECT_FLOAT_EQ(log_mel.select(2, 3).max().item<float>(), static_cast<float>(kFloor));
  EXPECT_GT(log_mel.select(2, 2).min().item<float>(), kFloor);
  EXPECT_GT(log_mel.select(2, 4).min().item<float>(), kFloor);
}

TEST(Fbank, AClipIsTheSameInEveryBatch) {
  const at::Tensor waves = noise(3, 5000);
  const Fbank fbank{FeatureOptions{}};
  const at::Tensor together = fbank(waves);
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(fbank(waves.narrow(0, i, 1)).squeeze(0).equal(together.select(0, i)));
  }
}

// Long clips are shared by threads, and frames go eight at a time: neither shows.
TEST(Fbank, AFrameIsTheSameAmongAnyFrames) {
  const Fbank fbank{FeatureOptions{}};
  const std::int64_t frames = 16384 + 13;
  const at::Tensor wave = noise(1, sample_count(FeatureOptions{}, frames));
  const at::Tensor whole = fbank(wave);
  ASSERT_EQ(whole.size(1), frames);
  for (std::int64_t frame : {0, 1, 1003, 16383, 16384, 16396}) {
    const std::int64_t count = std::min<std::int64_t>(30, frames - frame);
    const at::Tensor part = fbank(wave.narrow(1, frame * 160, sample_count(FeatureOptions{}, count)));
    EXPECT_TRUE(part.equal(whole.narrow(1, frame, count))) << frame;
  }
}

TEST(Fbank, NotANumberStaysOne) {
  at::Tensor wave = noise(1, 16000);
  wave[0][8000] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor log_mel_TM = Fbank(FeatureOptions{})(wave).squeeze(0);
  EXPECT_TRUE(log_mel_TM[49][64].isnan().item<bool>());
  EXPECT_TRUE(log_mel_TM[20].isfinite().all().item<bool>());
}

TEST(Fbank, MoreMelBinsThanFftBins) {
  const at::Tensor log_mel = Fbank({.mels = 600})(noise(1, 800));
  EXPECT_EQ(log_mel.size(2), 600);
  EXPECT_TRUE(log_mel.isfinite().all().item<bool>());
}

TEST(Fbank, RefusesWhatItCannotDo) {
  const Fbank fbank{FeatureOptions{}};
  EXPECT_THROW(fbank(at::zeros({1, 399}, at::kFloat)), Error);
  EXPECT_THROW(fbank(at::zeros({16000}, at::kFloat)), Error);
  EXPECT_THROW(fbank(at::zeros({1, 16000}, at::kDouble)), Error);
  EXPECT_THROW(Fbank({.high_hz = 9000}), UsageError);
}

TEST(FeatureOptions, FramesFollowKaldi) {
  const FeatureOptions options;
  EXPECT_EQ(frame_count(options, 399), 0);
  EXPECT_EQ(frame_count(options, 400), 1);
  EXPECT_EQ(frame_count(options, 559), 1);
  EXPECT_EQ(frame_count(options, 560), 2);
  EXPECT_EQ(frame_count(options, 160000), 998);
  EXPECT_EQ(sample_count(options, 998), 159920);
  EXPECT_EQ(window_samples({.sample_rate = 44100}), 1102);  // 1102.5, rounded down
  EXPECT_EQ(shift_samples({.sample_rate = 22050}), 220);
}

TEST(FeatureOptions, CheckNamesTheKeysThatDoNotFit) {
  EXPECT_NO_THROW(check(FeatureOptions{}));
  EXPECT_THROW(check({.mels = 3}), UsageError);
  EXPECT_THROW(check({.low_hz = 8000}), UsageError);
  EXPECT_THROW(check({.high_hz = 8001}), UsageError);
  EXPECT_THROW(check({.downmix = "left"}), UsageError);
  EXPECT_THROW(check({.sample_rate = 1000, .frame_length_ms = 1}), UsageError);
}

}  // namespace
}  // namespace tutti::data
