#include "recipes/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
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

// Half a period of cos^2, after the whole strides of the warm-up.
TEST(Schedule, CosineIsItsFormulaAtEveryStep) {
  for (const std::int64_t warmup : {0, 1, 7, 120}) {
    for (const std::int64_t stride : {1, 50}) {
      for (const double final_scale : {0.0, 0.02, 1.0}) {
        const ScheduleOptions options{
            .name = "cosine", .warmup_steps = warmup, .warmup_stride = stride, .final_scale = final_scale};
        const TrainingLength length{.steps_per_epoch = 37, .epochs = 9};
        for (std::int64_t step = 0; step < 333; ++step) {
          const double stairs = std::floor(static_cast<double>(step) / static_cast<double>(stride)) *
                                static_cast<double>(stride);
          const double t = static_cast<double>(step - warmup) / static_cast<double>(332 - warmup);
          const double fall = std::pow(std::cos(std::numbers::pi / 2 * t), 2);
          const double expected = stairs < static_cast<double>(warmup)
                                      ? stairs / static_cast<double>(warmup)
                                      : final_scale + (1 - final_scale) * fall;
          ASSERT_NEAR(schedule_factor(options, step, length), expected, 1e-14) << warmup << ' ' << step;
        }
        EXPECT_NEAR(schedule_factor(options, 332, length), final_scale, 1e-14);
        EXPECT_NEAR(schedule_factor(options, 400, length), final_scale, 1e-14);  // never rises again
      }
    }
  }
}

// The loop of AST's traintest.py: warm-up at the head of a step, MultiStepLR after each epoch.
TEST(Schedule, MilestonesWithWarmUpAreTheAuthorsLoop) {
  for (const bool warmup : {true, false}) {
    const ScheduleOptions options{.name = "milestones",
                                  .warmup_steps = warmup ? 1000 : 0,
                                  .warmup_stride = 50,
                                  .milestones = {3, 4, 6},
                                  .milestone_scale = 0.85};
    const TrainingLength length{.steps_per_epoch = 400, .epochs = 8};
    double rate = 1;
    std::int64_t step = 0;
    for (std::int64_t epoch = 1; epoch <= length.epochs; ++epoch) {
      for (std::int64_t i = 0; i < length.steps_per_epoch; ++i, ++step) {
        if (warmup && step <= 1000 && step % 50 == 0) rate = static_cast<double>(step) / 1000;
        ASSERT_NEAR(schedule_factor(options, step, length), rate, 1e-15) << step;
      }
      if (epoch == 3 || epoch == 4 || epoch == 6) rate *= 0.85;
    }
  }
}

TEST(Schedule, ConstantIsOneAfterALinearWarmUp) {
  const TrainingLength length{.steps_per_epoch = 10, .epochs = 10};
  for (std::int64_t step = 0; step < 100; ++step) {
    EXPECT_EQ(schedule_factor({.name = "constant"}, step, length), 1.0);
    EXPECT_DOUBLE_EQ(schedule_factor({.name = "constant", .warmup_steps = 30}, step, length),
                     std::min(1.0, static_cast<double>(step) / 30));
  }
}

}  // namespace
}  // namespace tutti::recipes
