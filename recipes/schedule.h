#pragma once
// The learning rate as a function of the step, and of nothing else.

#include <cstdint>
#include <string>

#include "base/fields.h"

namespace tutti::recipes {

struct ScheduleOptions {
  std::string name = "cosine";
  std::int64_t warmup_steps = 0;
  std::int64_t warmup_stride = 1;
  double final_scale = 0;
  Integers milestones = {};
  double milestone_scale = 0.5;
};
Fields fields(ScheduleOptions& options);

struct TrainingLength {
  std::int64_t steps_per_epoch = 1;
  std::int64_t epochs = 1;
  std::int64_t steps() const { return steps_per_epoch * epochs; }
};

// The factor on the peak learning rate at `step` (from 0).
//   warm-up: floor(step / stride) * stride / warmup_steps, while that is below 1. With stride 50 it is the
//     staircase of AST's traintest.py; step 0 runs at 0.
//   cosine: final + (1 - final) (1 + cos(pi t)) / 2, t from 0 at the end of warm-up to 1 at the last step
//     (Loshchilov and Hutter 2017, equation 5, one period).
//   milestones: milestone_scale to the power of the milestones m <= epoch (from 0), so that milestone m
//     first acts on epoch m + 1 counted from 1, as MultiStepLR stepped after validation.
//   constant: 1.
double schedule_factor(const ScheduleOptions& options, std::int64_t step, const TrainingLength& length);

}  // namespace tutti::recipes
