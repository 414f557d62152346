#pragma once
// Mean and standard deviation of features, by way of sums: kept by shard and added in their order, so that
// the statistics of a data set do not depend on who computed which part.

#include <cstdint>
#include <span>

namespace tutti::data {

// Over raw log-mel values as shards of spectrograms store them, rounded to float16.
struct FeatureSums {
  double sum = 0;
  double squares = 0;
  std::int64_t frames = 0;

  FeatureSums& operator+=(const FeatureSums& other);
};

// Of whole frames, one after another, rounded as they are stored.
FeatureSums sum_features(std::span<const float> values, std::int64_t mels);

struct Statistics {
  double mean = 0;
  double std = 0;           // population standard deviation
  std::int64_t frames = 0;  // how many they were taken over; with none, mean and std are 0
};

Statistics statistics(std::span<const FeatureSums> shards, std::int64_t mels);

}  // namespace tutti::data
