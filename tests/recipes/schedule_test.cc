#include "recipes/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace tutti::recipes {
namespace {

TEST(Schedule, CosineFallsFromThePeakToTheFinalScale) {
  const ScheduleOptions options{.name = "cosine", .warmup_steps = 10, .final_scale = 0.1};
  const TrainingLength length{.steps_per_epoch = 11, .epochs = 10};
  EXPECT_EQ(schedule_factor(options, 0, length), 0.0);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 5, length), 0.5);
  EXPECT_EQ(schedule_factor(options, 10, length), 1.0);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 109, length), 0.1);
  const double t = (60.0 - 10.0) / 99.0;
  EXPECT_DOUBLE_EQ(schedule_factor(options, 60, length),
                   0.1 + 0.9 * 0.5 * (1 + std::cos(std::numbers::pi * t)));
}

// The rates of AST's full AudioSet run, by epoch: 1, 1, 1/2, 1/4, 1/8 (reference: its result.csv).
TEST(Schedule, MilestonesActOnTheEpochAfter) {
  const ScheduleOptions options{.name = "milestones", .milestones = {2, 3, 4, 5}};
  const TrainingLength length{.steps_per_epoch = 100, .epochs = 5};
  const double expected[] = {1, 1, 0.5, 0.25, 0.125};
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    EXPECT_EQ(schedule_factor(options, epoch * 100, length), expected[epoch]);
    EXPECT_EQ(schedule_factor(options, epoch * 100 + 99, length), expected[epoch]);
  }
}

// AST's traintest.py: for step <= 1000, every 50 steps the rate is set to step / 1000 of the peak.
TEST(Schedule, WarmUpCanRiseInStairs) {
  const ScheduleOptions options{.name = "constant", .warmup_steps = 1000, .warmup_stride = 50};
  const TrainingLength length{.steps_per_epoch = 1000, .epochs = 5};
  EXPECT_EQ(schedule_factor(options, 49, length), 0.0);
  EXPECT_EQ(schedule_factor(options, 50, length), 0.05);
  EXPECT_EQ(schedule_factor(options, 99, length), 0.05);
  EXPECT_EQ(schedule_factor(options, 999, length), 0.95);
  EXPECT_EQ(schedule_factor(options, 1000, length), 1.0);
}

}  // namespace
}  // namespace tutti::recipes
