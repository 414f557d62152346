#pragma once
// Names by shell patterns.

#include <string>

namespace tutti {

// Whether a shell pattern (* and ?) describes the whole name.
bool matches(const std::string& name, const std::string& pattern);

}  // namespace tutti
