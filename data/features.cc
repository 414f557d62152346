#include "data/features.h"

#include "base/error.h"

namespace tutti::data {

Fields fields(FeatureOptions& options) {
  return {
      {.name = "sample_rate",
       .target = &options.sample_rate,
       .meaning = "Hz; other sounds are resampled",
       .least = 1000,
       .most = 768000},
      {.name = "mels", .target = &options.mels, .meaning = "mel bins", .least = 4, .most = 4096},
      {.name = "frames",
       .target = &options.frames,
       .meaning = "frames of the model's input",
       .least = 1,
       .most = 1e7},
      {.name = "frame_length_ms",
       .target = &options.frame_length_ms,
       .meaning = "analysis window, ms",
       .least = 0.1,
       .most = 10000},
      {.name = "frame_shift_ms",
       .target = &options.frame_shift_ms,
       .meaning = "from frame to frame, ms",
       .least = 0.1,
       .most = 10000},
      {.name = "low_hz",
       .target = &options.low_hz,
       .meaning = "lower edge of the first mel bin, Hz",
       .least = 0},
      {.name = "high_hz",
       .target = &options.high_hz,
       .meaning = "upper edge of the last mel bin, Hz; 0: half the sample rate",
       .least = 0},
      {.name = "downmix",
       .target = &options.downmix,
       .meaning = "the first channel (as AST) or the mean of all",
       .choices = {"first", "mean"}},
      {.name = "padding",
       .target = &options.padding,
       .meaning = "frames beyond the clip hold a log-mel of 0 (as AST) or the floor, -15.9424",
       .choices = {"zero", "floor"}},
  };
}

void check(const FeatureOptions& options) {
  FeatureOptions copy = options;
  for (const Field& field : fields(copy)) {
    if (auto wrong = complaint(field); !wrong.empty())
      throw UsageError(text("features.", field.name, ' ', wrong));
  }
  const double nyquist = 0.5 * static_cast<double>(options.sample_rate);
  const double high_hz = options.high_hz > 0 ? options.high_hz : nyquist;
  if (options.low_hz >= high_hz || high_hz > nyquist) {
    throw UsageError(text("features.low_hz = ", options.low_hz, " and features.high_hz = ", options.high_hz,
                          " do not fit features.sample_rate = ", options.sample_rate),
                     text("low_hz must be less than high_hz, and high_hz at most ", nyquist));
  }
  if (window_samples(options) < 2 || shift_samples(options) < 1) {
    throw UsageError(
        text("features.frame_length_ms = ", options.frame_length_ms,
             " and features.frame_shift_ms = ", options.frame_shift_ms, " are too short"),
        text("at features.sample_rate = ", options.sample_rate, " they are ", window_samples(options),
             " and ", shift_samples(options), " samples; at least 2 and 1 are needed"));
  }
}

std::int64_t window_samples(const FeatureOptions& options) {
  return static_cast<std::int64_t>(static_cast<double>(options.sample_rate) * options.frame_length_ms *
                                   0.001);
}

std::int64_t shift_samples(const FeatureOptions& options) {
  return static_cast<std::int64_t>(static_cast<double>(options.sample_rate) * options.frame_shift_ms * 0.001);
}

std::int64_t frame_count(const FeatureOptions& options, std::int64_t samples) {
  const std::int64_t window = window_samples(options);
  return samples < window ? 0 : 1 + (samples - window) / shift_samples(options);
}

std::int64_t sample_count(const FeatureOptions& options, std::int64_t frames) {
  return window_samples(options) + (frames - 1) * shift_samples(options);
}

Fields fields(Normalisation& normalisation) {
  return {
      {.name = "mean",
       .target = &normalisation.mean,
       .meaning = "mean of the raw log-mel values; from the shards if std = 0"},
      {.name = "std",
       .target = &normalisation.std,
       .meaning = "their standard deviation (the input is divided by 2 std); 0: from the shards",
       .least = 0},
  };
}

}  // namespace tutti::data
