#pragma once
// Private to dist.

#include <string>
#include <vector>

namespace tutti::dist {

// The unique identifiers (hexadecimal UUIDs) of the GPUs that this process sees, by device index; none
// in a CPU build, or on a machine without GPU or driver.
std::vector<std::string> visible_gpus();

}  // namespace tutti::dist
