#pragma once
// Event files that TensorBoard opens. The few fields of the protobuf records are encoded by hand, because
// LibTorch exports another version of protobuf than a system has.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace tutti::recipes {

class TensorboardWriter {
 public:
  // Opens events.out.tfevents.TIME.tutti in the folder. Throws Error that names the path.
  TensorboardWriter(const std::filesystem::path& folder, double unix_time);

  void scalar(const std::string& tag, double value, std::int64_t step, double unix_time);
  void flush() { file_.flush(); }

 private:
  void record(const std::string& event);

  std::ofstream file_;
};

}  // namespace tutti::recipes
