#include "recipes/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tutti::recipes {

Fields fields(ScheduleOptions& options) {
  return {
      {.name = "name",
       .target = &options.name,
       .meaning = "cosine, milestones or constant, after the warm-up",
       .choices = {"cosine", "milestones", "constant"}},
      {.name = "warmup_steps",
       .target = &options.warmup_steps,
       .meaning = "steps from 0 to the peak",
       .least = 0},
      {.name = "warmup_stride",
       .target = &options.warmup_stride,
       .meaning = "the warm-up rises every so many steps",
       .least = 1},
      {.name = "final_scale",
       .target = &options.final_scale,
       .meaning = "cosine: the last rate, as a share of the peak",
       .least = 0,
       .most = 1},
      {.name = "milestones",
       .target = &options.milestones,
       .meaning = "milestones: epochs (from 1) after which the rate falls",
       .least = 1},
      {.name = "milestone_scale",
       .target = &options.milestone_scale,
       .meaning = "milestones: factor at each",
       .least = 0,
       .most = 1},
  };
}

double schedule_factor(const ScheduleOptions& options, std::int64_t step, const TrainingLength& length) {
  const std::int64_t risen = step / options.warmup_stride * options.warmup_stride;
  const double warmup = risen < options.warmup_steps
                            ? static_cast<double>(risen) / static_cast<double>(options.warmup_steps)
                            : 1.0;
  if (options.name == "milestones") {
    const std::int64_t epoch = step / length.steps_per_epoch;
    const auto passed = std::ranges::count_if(options.milestones, [&](std::int64_t m) { return m <= epoch; });
    return warmup * std::pow(options.milestone_scale, static_cast<double>(passed));
  }
  if (options.name == "cosine" && warmup == 1.0) {
    const auto begin = static_cast<double>(options.warmup_steps);
    const auto end = static_cast<double>(std::max(length.steps() - 1, options.warmup_steps + 1));
    const double t = std::clamp((static_cast<double>(step) - begin) / (end - begin), 0.0, 1.0);
    return options.final_scale + (1 - options.final_scale) * 0.5 * (1 + std::cos(std::numbers::pi * t));
  }
  return warmup;
}

}  // namespace tutti::recipes
