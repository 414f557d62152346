#pragma once
// The record of a run: metrics.jsonl (one object a line), TensorBoard events, log.txt; and metrics.jsonl read
// back.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "recipes/metrics.h"
#include "recipes/part_timer.h"
#include "recipes/tensorboard.h"

namespace tutti::recipes {

struct StepRecord {
  std::int64_t step = 0;   // steps done
  std::int64_t epoch = 0;  // from 1, of this step
  double loss = 0;         // global sum over global weight
  double lr = 0;
  double gradient_norm = 0;
  double clips_per_second = 0;
  PartSeconds seconds = {};  // since the line before
};

struct ValidationRecord {
  std::int64_t step = 0;
  std::int64_t epoch = 0;  // epochs done
  std::string split;
  Metrics metrics;
  PartSeconds seconds = {};  // since the line before
};

class RunLog {
 public:
  // What a rank other than the first holds: writes nothing.
  RunLog() = default;

  // Opens the files in the run's folder, and drops the lines beyond `last_step`: the run that wrote them
  // was killed, and those steps come again.
  RunLog(const std::filesystem::path& folder, std::int64_t last_step);

  void step(const StepRecord& record);
  void validation(const ValidationRecord& record);

  // Both a console and log.txt.
  Log with_file(const Log& console) const;

  void flush();

 private:
  struct Files;
  std::shared_ptr<Files> files_;
};

// What metrics.jsonl says so far.
struct RunHistory {
  std::vector<StepRecord> steps;
  std::vector<ValidationRecord> validations;
};

// Passes over a last line that a kill has cut. Throws Error that names the file, and the line where another
// one is damaged.
RunHistory read_history(const std::filesystem::path& metrics);

}  // namespace tutti::recipes
