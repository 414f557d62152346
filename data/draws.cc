#include "data/draws.h"

#include <algorithm>
#include <cmath>

#include "base/counter_rng.h"

namespace tutti::data {
namespace {

// A stream of the generator for each decision. The numbers are part of what makes runs repeatable.
enum Stream : std::uint64_t {
  kMixup = 1,
  kCrop = 2,
  kPartnerCrop = 3,
  kFreqMask = 4,
  kTimeMask = 5,
  kStretch = 6,
  kRoll = 7,
  kGain = 8,
  kNoise = 9,
};

// torchaudio.functional.mask_along_axis: width and start are drawn as real numbers and cut off.
Mask draw_mask(CounterRng rng, std::int64_t param, std::int64_t size) {
  const double width = rng.uniform() * static_cast<double>(std::min(param, size));
  const double start = rng.uniform() * (static_cast<double>(size) - width);
  return {static_cast<std::int32_t>(start), static_cast<std::int32_t>(width)};
}

// U(-range, range)
double symmetric(CounterRng rng, double range) { return (2 * rng.uniform() - 1) * range; }

}  // namespace

Fields fields(AugmentOptions& options) {
  return {
      {.name = "mixup",
       .target = &options.mixup,
       .meaning = "probability that a clip is mixed with another",
       .least = 0,
       .most = 1},
      {.name = "mixup_alpha",
       .target = &options.mixup_alpha,
       .meaning = "the weight of a mixed clip is drawn from Beta(alpha, alpha)",
       .least = 0.001,
       .most = 1000},
      {.name = "freq_mask",
       .target = &options.freq_mask,
       .meaning = "SpecAugment: width of the masked band at most, mels",
       .least = 0},
      {.name = "time_mask",
       .target = &options.time_mask,
       .meaning = "SpecAugment: length of the masked stretch at most, frames",
       .least = 0},
      {.name = "time_stretch",
       .target = &options.time_stretch,
       .meaning = "s: a clip's duration times U(1 - s, 1 + s)",
       .least = 0,
       .most = 0.9},
      {.name = "roll",
       .target = &options.roll,
       .meaning = "r: shift in time by an integer of [-r, r), frames",
       .least = 0},
      {.name = "gain_db",
       .target = &options.gain_db,
       .meaning = "g: gain U(-g, g), dB",
       .least = 0,
       .most = 100},
      {.name = "noise",
       .target = &options.noise,
       .meaning = "n: uniform noise of amplitude U(0, n), on the normalised input",
       .least = 0},
  };
}

Draws draw(const AugmentOptions& options, std::int64_t examples, std::int64_t frames, std::int64_t mels,
           std::uint64_t seed, std::int64_t epoch, std::int64_t position) {
  Draws draws;
  draws.key = mix_key(mix_key(seed, static_cast<std::uint64_t>(epoch)), static_cast<std::uint64_t>(position));
  const auto stream = [&](Stream number) { return CounterRng(draws.key, number); };

  CounterRng mixup = stream(kMixup);
  if (mixup.uniform() < options.mixup) {
    draws.partner = static_cast<std::int64_t>(mixup.integer(static_cast<std::uint64_t>(examples)));
    draws.mix = static_cast<float>(mixup.beta(options.mixup_alpha, options.mixup_alpha));
  }
  draws.crop = stream(kCrop).uniform();
  draws.partner_crop = stream(kPartnerCrop).uniform();
  draws.freq_mask = draw_mask(stream(kFreqMask), options.freq_mask, mels);
  draws.time_mask = draw_mask(stream(kTimeMask), options.time_mask, frames);
  draws.stretch = static_cast<float>(1 + symmetric(stream(kStretch), options.time_stretch));
  if (options.roll > 0) {
    const auto places = static_cast<std::uint64_t>(2 * options.roll);
    draws.roll =
        static_cast<std::int32_t>(static_cast<std::int64_t>(stream(kRoll).integer(places)) - options.roll);
  }
  draws.gain_db = static_cast<float>(symmetric(stream(kGain), options.gain_db));
  draws.noise = static_cast<float>(stream(kNoise).uniform() * options.noise);
  return draws;
}

}  // namespace tutti::data
