#include "data/feature_sums.h"

#include <algorithm>
#include <cmath>

namespace tutti::data {

FeatureSums& FeatureSums::operator+=(const FeatureSums& other) {
  sum += other.sum;
  squares += other.squares;
  frames += other.frames;
  return *this;
}

FeatureSums sum_features(std::span<const float> values, std::int64_t mels) {
  FeatureSums sums;
  for (const double value : values) {
    sums.sum += value;
    sums.squares += value * value;
  }
  sums.frames = std::ssize(values) / mels;
  return sums;
}

Statistics statistics(std::span<const FeatureSums> shards, std::int64_t mels) {
  FeatureSums all;
  for (const FeatureSums& shard : shards) all += shard;
  if (all.frames == 0) return {};
  const auto count = static_cast<double>(all.frames * mels);
  const double mean = all.sum / count;
  return {mean, std::sqrt(std::max(0.0, all.squares / count - mean * mean)), all.frames};
}

}  // namespace tutti::data
