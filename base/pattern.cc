#include "base/pattern.h"

#include <fnmatch.h>

namespace tutti {

bool matches(const std::string& name, const std::string& pattern) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace tutti
