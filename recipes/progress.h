#pragma once
// One line that says how far a long job is, how fast, and how long it will take.

#include <chrono>
#include <cstdint>
#include <string>

#include "recipes/console.h"

namespace tutti::recipes {

// "1:02:03" or "4:05".
std::string format_duration(double seconds);

class Progress {
 public:
  // On a terminal the line is rewritten up to 5 times a second, elsewhere a line comes every 30 seconds.
  // `units` is what is counted ("clips", "files"): `total` of them, `done` before this process started.
  Progress(const Console& console, std::string units, std::int64_t total, std::int64_t done = 0);

  // `done` units in all; `status` stands before the rate ("epoch 3/40  loss 1.234").
  void update(std::int64_t done, const std::string& status);

  // Ends the line on a terminal, so that what is printed next starts on its own.
  void clear();

  double units_per_second() const;

 private:
  using Clock = std::chrono::steady_clock;

  std::ostream* out_;
  bool terminal_;
  std::string units_;
  std::int64_t total_, first_, done_;
  Clock::time_point start_, last_;
  bool line_open_ = false;
};

}  // namespace tutti::recipes
