#include "recipes/progress.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

namespace tutti::recipes {

std::string format_duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  std::ostringstream result;
  result << std::setfill('0');
  if (whole >= 3600) {
    result << whole / 3600 << ':' << std::setw(2) << whole / 60 % 60;
  } else {
    result << whole / 60;
  }
  result << ':' << std::setw(2) << whole % 60;
  return result.str();
}

Progress::Progress(const Console& console, std::string units, std::int64_t total, std::int64_t done)
    : out_(console.progress),
      terminal_(console.terminal),
      units_(std::move(units)),
      total_(total),
      first_(done),
      done_(done),
      start_(Clock::now()),
      last_(start_) {}

double Progress::units_per_second() const {
  const std::chrono::duration<double> elapsed = Clock::now() - start_;
  return static_cast<double>(done_ - first_) / std::max(elapsed.count(), 1e-9);
}

void Progress::update(std::int64_t done, const std::string& status) {
  done_ = done;
  const auto now = Clock::now();
  const std::chrono::duration<double> since = now - last_;
  if (!out_ || since.count() < (terminal_ ? 0.2 : 30.0)) return;
  last_ = now;
  const double rate = units_per_second();
  std::ostringstream line;
  line << status << (status.empty() ? "" : "  ") << done_ << '/' << total_ << ' ' << units_ << "  "
       << std::fixed << std::setprecision(rate < 10 ? 1 : 0) << rate << ' ' << units_ << "/s  "
       << (rate > 0 ? format_duration(static_cast<double>(total_ - done_) / rate) : "?") << " left";
  if (terminal_) {
    *out_ << "\r" + line.str() + "\x1b[K" << std::flush;
    line_open_ = true;
  } else {
    *out_ << line.str() + "\n" << std::flush;
  }
}

void Progress::clear() {
  if (line_open_) *out_ << "\r\x1b[K" << std::flush;
  line_open_ = false;
}

}  // namespace tutti::recipes
