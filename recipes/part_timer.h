#pragma once
// Where the time of a training run goes.

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tutti::recipes {

// Seconds by part, in the order of kPartNames; parts that took none are left out.
using PartSeconds = std::vector<std::pair<std::string, double>>;

// forward begins with the front end; backward holds the communication that runs beside it; communication is
// the wait for what is left of it, and for the other ranks; log is everything else.
enum class Part { data, forward, backward, communication, optimizer, validation, checkpoint, log };
inline constexpr std::array<std::string_view, 8> kPartNames = {
    "data", "forward", "backward", "communication", "optimizer", "validation", "checkpoint", "log"};

// Every second is counted once: the time since the last lap belongs to the part that the lap names. It
// measures what the calling thread waits for and waits for nothing itself. So on a GPU forward and backward
// are the time to enqueue their kernels, and the kernels' own time falls to communication, where the step's
// loss is read.
class PartTimer {
 public:
  void lap(Part part) {
    const auto now = Clock::now();
    seconds_[static_cast<std::size_t>(part)] +=
        std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

  // All laps since the last call.
  PartSeconds take() {
    PartSeconds taken;
    for (std::size_t part = 0; part < seconds_.size(); ++part) {
      if (seconds_[part] > 0) taken.emplace_back(kPartNames[part], std::exchange(seconds_[part], 0.0));
    }
    return taken;
  }

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point last_ = Clock::now();
  std::array<double, kPartNames.size()> seconds_{};
};

inline double sum(const PartSeconds& parts) {
  double total = 0;
  for (const auto& [name, seconds] : parts) total += seconds;
  return total;
}

}  // namespace tutti::recipes
