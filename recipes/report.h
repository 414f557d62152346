#pragma once
// What there is to see of a finished or running run: its curves, and how its best checkpoint does on clips.
// Plain values: the files that make a page of them compile without torch.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "data/features.h"
#include "recipes/class_report.h"
#include "recipes/environment.h"
#include "recipes/run_log.h"

namespace tutti::recipes {

struct Session;

struct ReportOptions {
  std::string data;         // folder of shards; empty: the recipe's
  Strings folds;            // to evaluate; empty: the recipe's test folds, else its validation folds
  std::int64_t clips = 24;  // shown, the worst first
};

// A clip with what the model says of it. Pictures are data URIs.
struct ShownClip {
  std::string key = {};
  double seconds = 0;
  Strings truth = {};
  std::vector<ClassScore> predicted = {};  // the highest scores
  bool right = false;                      // the highest score is of a true class
  double loss = 0;
  std::string spectrogram = {};
  Strings attention = {};  // a layer each, veils over the spectrogram; none where the model has no attention
  std::string sound = {};  // empty where it is not at hand, or large
};

struct RunReport {
  std::filesystem::path folder = {};
  std::string recipe = {};                                     // TOML, every key
  std::vector<std::pair<std::string, std::string>> keys = {};  // the same: "optimizer.lr" and its value
  std::string model = {};                                      // its name
  std::int64_t epochs = 0;                                     // asked for
  std::int64_t batch = 0;
  data::FeatureOptions features = {};
  std::int64_t parameters = 0;
  double gflop = 0;  // of a clip's forward pass
  EnvironmentRecord environment = {};
  RunHistory history = {};
  std::string log = {};  // the last lines of log.txt
  std::filesystem::path checkpoint = {};
  Strings folds = {};  // evaluated
  std::int64_t count = 0;
  Metrics metrics = {};
  ClassReport classes = {};
  std::vector<ShownClip> clips = {};
  std::int64_t mistakes = 0;    // clips whose highest score is of a wrong class
  std::string sound_note = {};  // why clips have no sound; empty where they have
};

// Reads the run's files and evaluates its best checkpoint on one process. Throws Error that names the path:
// no such run, no line in its log, no checkpoint.
RunReport describe_run(const std::filesystem::path& run, const ReportOptions& options, const Session& session,
                       const Log& log);

}  // namespace tutti::recipes
