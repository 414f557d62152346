#pragma once
// A model's scores along a long recording: what `tutti predict --timeline` does.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "recipes/class_report.h"
#include "recipes/model_file.h"

namespace tutti::recipes {

struct TimelineOptions {
  double hop = 0;        // seconds from one window to the next, at most the model's; 0: half of them
  std::int64_t top = 5;  // highest scores of each window
};

struct TimelineWindow {
  double start = 0;  // seconds
  double end = 0;    // where its last frame's shift ends
  std::vector<ClassScore> classes;
};

// Frames from one window to the next. Throws UsageError when some would lie between windows.
std::int64_t timeline_hop(const TrainedModel& trained, const TimelineOptions& options);

// Slides the model's window over a sound file and tells `window` of each, in order, as the file is read; the
// last one reaches the end of the file, and is padded as a short clip is. Memory does not grow with the
// file's length. Throws Error that names the file, which may come after some windows.
void predict_timeline(const TrainedModel& trained, const std::filesystem::path& audio,
                      const TimelineOptions& options,
                      const std::function<void(const TimelineWindow&)>& window);

}  // namespace tutti::recipes
