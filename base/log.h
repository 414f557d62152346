#pragma once
// The logging seam: libraries say things to a Log that they are given; who prints is the caller's
// decision. A default Log is silent, so every rank but the first holds one.

#include <functional>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace tutti {

class Log {
 public:
  enum class Level { info, warning, error };
  using Sink = std::function<void(Level, std::string_view)>;

  Log() = default;
  explicit Log(Sink sink) : sink_(std::move(sink)) {}

  template <class... Parts>
  void info(const Parts&... parts) const {
    write(Level::info, parts...);
  }
  template <class... Parts>
  void warning(const Parts&... parts) const {
    write(Level::warning, parts...);
  }
  template <class... Parts>
  void error(const Parts&... parts) const {
    write(Level::error, parts...);
  }

 private:
  template <class... Parts>
  void write(Level level, const Parts&... parts) const {
    if (sink_) sink_(level, text(parts...));
  }

  Sink sink_;
};

}  // namespace tutti
