#include "data/front_end.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/counter_rng.h"
#include "base/error.h"

namespace tutti::data {
namespace {

constexpr std::int64_t kFrames = 30;
constexpr std::int64_t kMels = 10;
constexpr double kMean = -4.27;
constexpr double kStd = 4.57;

using Row = std::vector<std::vector<double>>;  // [frame][mel]

// A float16 batch of random clips, floor beyond their lengths, some bins at the floor.
at::Tensor clips(const std::vector<std::int32_t>& lengths, std::uint64_t seed) {
  const std::int64_t rows = std::ssize(lengths);
  at::Tensor input = at::full({rows, kFrames, kMels}, kFloor, at::kHalf);
  auto* values = input.mutable_data_ptr<at::Half>();
  CounterRng rng(seed);
  for (std::int64_t b = 0; b < rows; ++b) {
    for (std::int64_t i = 0; i < lengths[static_cast<std::size_t>(b)] * kMels; ++i) {
      const double value = rng.uniform() < 0.1 ? kFloor : -5 + 4 * rng.normal();
      values[b * kFrames * kMels + i] = at::Half(static_cast<float>(std::max(kFloor, value)));
    }
  }
  return input;
}

at::Tensor integers(const std::vector<std::int32_t>& values) {
  at::Tensor tensor = at::empty({std::ssize(values)}, at::kInt);
  std::ranges::copy(values, tensor.mutable_data_ptr<std::int32_t>());
  return tensor;
}

Row row_of(const at::Tensor& batch, std::int64_t b) {
  Row row(kFrames, std::vector<double>(kMels));
  const at::Tensor values = batch.select(0, b).to(at::kDouble).contiguous();
  const double* data = values.const_data_ptr<double>();
  for (std::int64_t t = 0; t < kFrames; ++t) {
    for (std::int64_t m = 0; m < kMels; ++m)
      row[static_cast<std::size_t>(t)][static_cast<std::size_t>(m)] = data[t * kMels + m];
  }
  return row;
}

std::uint64_t hash_word(std::uint64_t x) {
  x = ((x ^ x >> 16) * 0x21f0aaad) & 0xffffffff;
  x = ((x ^ x >> 15) * 0x735a2d97) & 0xffffffff;
  return x ^ x >> 15;
}

// The documented steps, one element at a time, in double precision.
Row reference(Row x, std::int64_t length, const Row* partner, std::int64_t partner_length, const Draws& draws,
              double padding) {
  const auto each = [&](auto&& change) {
    for (std::size_t t = 0; t < x.size(); ++t) {
      for (std::size_t m = 0; m < x[t].size(); ++m) change(x[t][m], t, m);
    }
  };
  if (partner != nullptr) {
    each([&](double& v, std::size_t t, std::size_t m) {
      v = std::log(draws.mix * std::exp(v) + (1 - draws.mix) * std::exp((*partner)[t][m]));
    });
    length = std::max(length, partner_length);
  }
  if (draws.stretch != 1 && length > 0) {
    const Row before(x.begin(), x.end());
    const std::int64_t last = length - 1;
    each([&](double& v, std::size_t t, std::size_t m) {
      const double from = std::min(static_cast<double>(t) / draws.stretch, static_cast<double>(last));
      const auto left = static_cast<std::size_t>(from);
      const auto right = std::min(left + 1, static_cast<std::size_t>(last));
      v = before[left][m] + (from - std::floor(from)) * (before[right][m] - before[left][m]);
    });
    length = std::min<std::int64_t>(kFrames,
                                    static_cast<std::int64_t>(static_cast<double>(last) * draws.stretch) + 1);
  }
  each([&](double& v, std::size_t, std::size_t) {
    if (v > kFloor + 1e-4) v = std::max(v + draws.gain_db * std::log(10.0) / 10, kFloor);
  });
  each([&](double& v, std::size_t t, std::size_t m) {
    const auto inside = [](const Mask& mask, std::size_t at) {
      return static_cast<std::int64_t>(at) >= mask.start &&
             static_cast<std::int64_t>(at) < mask.start + mask.width;
    };
    if (static_cast<std::int64_t>(t) >= length) v = padding;
    if (inside(draws.freq_mask, m) || inside(draws.time_mask, t)) v = 0;
    v = (v - kMean) / (2 * kStd);
    const std::uint64_t word =
        hash_word(hash_word((t * kMels + m) ^ (draws.key & 0xffffffff)) ^ (draws.key >> 32));
    v += draws.noise * static_cast<double>(word >> 8) * 0x1p-24;
  });
  Row rolled = x;
  for (std::size_t t = 0; t < x.size(); ++t) {
    rolled[static_cast<std::size_t>((static_cast<std::int64_t>(t) + draws.roll + 10 * kFrames) % kFrames)] =
        x[t];
  }
  return rolled;
}

FrontEnd front_end(const std::string& padding = "zero") {
  FeatureOptions features;
  features.mels = kMels;
  features.frames = kFrames;
  features.padding = padding;
  return FrontEnd(features, kMean, kStd);
}

const std::vector<std::int32_t> kLengths{30, 17, 1, 0, 25, 9, 30, 12};
const std::vector<std::int32_t> kPartnerLengths{20, 0, 30, 14, 0, 28, 30, 0};

// Eight rows; those with a partner length are mixed.
Batch training_batch(const AugmentOptions& options, bool mixed = true) {
  Batch batch;
  batch.input = clips(kLengths, 1);
  batch.length = integers(kLengths);
  if (mixed) {
    batch.partner = clips(kPartnerLengths, 2);
    batch.partner_length = integers(kPartnerLengths);
  }
  for (std::size_t b = 0; b < kLengths.size(); ++b) {
    Draws draws = draw(options, 50, kFrames, kMels, 3, 4, static_cast<std::int64_t>(b));
    draws.partner = mixed && kPartnerLengths[b] > 0 ? 7 : -1;
    draws.mix = draws.partner < 0 ? 1.0f : 0.3f + 0.05f * static_cast<float>(b);
    batch.draws.push_back(draws);
  }
  return batch;
}

void expect_reference(const Batch& batch, const std::string& padding) {
  const at::Tensor output = front_end(padding)(batch, at::kCPU);
  ASSERT_EQ(output.scalar_type(), at::kFloat);
  for (std::int64_t b = 0; b < batch.size(); ++b) {
    const Draws draws = batch.draws.empty() ? Draws{} : batch.draws[static_cast<std::size_t>(b)];
    Row partner;
    std::int32_t partner_length = 0;
    if (draws.partner >= 0) {
      partner = row_of(batch.partner, b);
      partner_length = batch.partner_length[b].item<std::int32_t>();
    }
    const Row expected = reference(row_of(batch.input, b), batch.length[b].item<std::int32_t>(),
                                   draws.partner >= 0 ? &partner : nullptr, partner_length, draws,
                                   padding == "floor" ? kFloor : 0);
    const Row actual = row_of(output, b);
    for (std::size_t t = 0; t < kFrames; ++t) {
      for (std::size_t m = 0; m < kMels; ++m) {
        ASSERT_NEAR(actual[t][m], expected[t][m], 2e-6) << "row " << b << ", frame " << t << ", mel " << m;
      }
    }
  }
}

TEST(FrontEnd, EvaluationPadsAndNormalises) {
  for (const std::string padding : {"zero", "floor"}) {
    Batch batch = training_batch({}, false);
    batch.draws.clear();
    expect_reference(batch, padding);
  }
}

TEST(FrontEnd, EachAugmentationIsAsDefined) {
  for (const AugmentOptions& options : std::vector<AugmentOptions>{{.freq_mask = 6},
                                                                   {.time_mask = 20},
                                                                   {.time_stretch = 0.5},
                                                                   {.roll = 12},
                                                                   {.gain_db = 20},
                                                                   {.noise = 0.5}}) {
    expect_reference(training_batch(options, false), "zero");
  }
  expect_reference(training_batch({}), "zero");
}

TEST(FrontEnd, AllAugmentationsTogetherAreAsDefined) {
  const AugmentOptions all{
      .freq_mask = 6, .time_mask = 20, .time_stretch = 0.3, .roll = 12, .gain_db = 20, .noise = 0.5};
  expect_reference(training_batch(all), "zero");
  expect_reference(training_batch(all), "floor");
}

TEST(FrontEnd, MixtureOfVeryDifferentLevelsIsStable) {
  Batch batch = training_batch({});
  batch.input = at::full({8, kFrames, kMels}, 600.0, at::kHalf);  // exp would overflow
  batch.partner = at::full({8, kFrames, kMels}, -900.0, at::kHalf);
  batch.length = at::full({8}, kFrames, at::kInt);
  const Row output = row_of(front_end()(batch, at::kCPU), 0);
  EXPECT_NEAR(output[3][3], (600 + std::log(batch.draws[0].mix) - kMean) / (2 * kStd), 1e-5);
}

// A row is the same whatever it is batched with: augmentations that only neighbours drew change nothing.
TEST(FrontEnd, RowsDoNotDependOnTheirNeighbours) {
  const AugmentOptions all{
      .freq_mask = 6, .time_mask = 20, .time_stretch = 0.3, .roll = 12, .gain_db = 20, .noise = 0.5};
  Batch batch = training_batch(all);
  batch.target = at::zeros({8, 2});
  batch.weight = at::zeros({8, 1});
  batch.positions = batch.groups = at::zeros({8}, at::kLong);
  batch.draws[4] = {.key = 5};
  const at::Tensor together = front_end()(batch, at::kCPU);
  std::vector<at::Tensor> alone;
  for (std::int64_t b = 0; b < 8; ++b) alone.push_back(front_end()(slice(batch, b, b + 1), at::kCPU));
  EXPECT_TRUE(together.allclose(at::cat(alone), 0, 1e-6));

  // Noise is made of integers: bit for bit.
  Batch noise = training_batch({.noise = 0.5}, false);
  noise.target = batch.target;
  noise.weight = batch.weight;
  noise.positions = noise.groups = batch.positions;
  const at::Tensor noisy = front_end()(noise, at::kCPU);
  for (std::int64_t b = 0; b < 8; ++b) {
    EXPECT_TRUE(front_end()(slice(noise, b, b + 1), at::kCPU).equal(noisy.slice(0, b, b + 1)));
  }
}

TEST(FrontEnd, NoiseIsUniformAndDiffersByKey) {
  Batch batch;
  batch.input = at::full({2, 400, 100}, kMean, at::kHalf);
  batch.length = at::full({2}, 400, at::kInt);
  batch.draws = {{.key = 11, .noise = 1}, {.key = 12, .noise = 1}};
  const double offset = (static_cast<float>(at::Half(static_cast<float>(kMean))) - kMean) / (2 * kStd);
  const at::Tensor noise = front_end()(batch, at::kCPU) - offset;
  EXPECT_NEAR(noise.mean().item<double>(), 0.5, 0.005);
  EXPECT_NEAR(noise.var().item<double>(), 1.0 / 12, 0.001);
  EXPECT_GE(noise.min().item<double>(), -1e-6);
  EXPECT_LE(noise.max().item<double>(), 1 + 1e-6);
  const at::Tensor a = noise[0] - 0.5, b = noise[1] - 0.5;
  const double deviation = 1.0 / 12 / std::sqrt(40000.0);
  EXPECT_LT(std::abs((a * b).mean().item<double>()), 4 * deviation);
  // Neighbours in time and in frequency.
  EXPECT_LT(std::abs((a.slice(0, 1) * a.slice(0, 0, -1)).mean().item<double>()), 4 * deviation);
  EXPECT_LT(std::abs((a.slice(1, 1) * a.slice(1, 0, -1)).mean().item<double>()), 4 * deviation);
}

TEST(FrontEnd, EmptyPartOfABatchGivesAnEmptyInput) {
  Batch batch;
  batch.input = at::empty({0, kFrames, kMels}, at::kHalf);
  batch.length = at::empty({0}, at::kInt);
  EXPECT_EQ(front_end()(batch, at::kCPU).sizes(), (at::IntArrayRef{0, kFrames, kMels}));
}

TEST(FrontEnd, RefusesAStdThatIsNotPositive) {
  EXPECT_THROW(FrontEnd({}, 0, 0), UsageError);
  EXPECT_THROW(FrontEnd({}, 0, std::nan("")), UsageError);
}

}  // namespace
}  // namespace tutti::data
