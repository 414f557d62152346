#pragma once
// How a waveform becomes a log-mel spectrogram, and how that is normalised: the keys of [features].
// A shard records the FeatureOptions it was made with; the defaults are AST's (Gong et al. 2021,
// section 2.1; the same settings as its released code).

#include <cstdint>
#include <numbers>
#include <string>

#include "base/fields.h"

namespace tutti::data {

// ln(2^-23): what a log-mel bin holds where its energy is at most FLT_EPSILON, as in Kaldi.
inline constexpr double kFloor = -23 * std::numbers::ln2;  // -15.9424

struct FeatureOptions {
  std::int64_t sample_rate = 16000;  // Hz
  std::int64_t mels = 128;
  std::int64_t frames = 1024;  // of the model's input
  double frame_length_ms = 25;
  double frame_shift_ms = 10;
  double low_hz = 20;
  double high_hz = 0;             // 0: half the sample rate
  std::string downmix = "first";  // or "mean"
  std::string padding = "zero";   // or "floor"
};

Fields fields(FeatureOptions& options);

// Throws UsageError that names the keys whose values do not go together, or lie out of range.
void check(const FeatureOptions& options);

// Samples in a frame and from one frame to the next, rounded down as Kaldi does.
std::int64_t window_samples(const FeatureOptions& options);
std::int64_t shift_samples(const FeatureOptions& options);

// The frames that fit wholly into so many samples; 0 if there are fewer than one window.
std::int64_t frame_count(const FeatureOptions& options, std::int64_t samples);

// The fewest samples that hold so many frames (at least 1).
std::int64_t sample_count(const FeatureOptions& options, std::int64_t frames);

// The model sees (x - mean) / (2 std), as AST does. std = 0, the default, takes both values from the
// index of the training shards (over the valid frames of the training folds).
struct Normalisation {
  double mean = 0;
  double std = 0;

  bool from_shards() const { return std == 0; }
};

Fields fields(Normalisation& normalisation);

}  // namespace tutti::data
