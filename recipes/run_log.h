#pragma once
// The record of a run: metrics.jsonl (one object a line), TensorBoard events, log.txt.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "recipes/metrics.h"
#include "recipes/tensorboard.h"

namespace tutti::recipes {

struct StepRecord {
  std::int64_t step = 0;   // steps done
  std::int64_t epoch = 0;  // from 1, of this step
  double loss = 0;         // global sum over global weight
  double lr = 0;
  double gradient_norm = 0;
  double clips_per_second = 0;
};

class RunLog {
 public:
  // What a rank other than the first holds: writes nothing.
  RunLog() = default;

  // Opens the files in the run's folder, and drops the lines beyond `last_step`: the run that wrote them
  // was killed, and those steps come again.
  RunLog(const std::filesystem::path& folder, std::int64_t last_step);

  void step(const StepRecord& record);
  void validation(std::int64_t step, std::int64_t epoch, const std::string& split, const Metrics& metrics);

  // Both a console and log.txt.
  Log with_file(const Log& console) const;

  void flush();

 private:
  struct Files;
  std::shared_ptr<Files> files_;
};

}  // namespace tutti::recipes
