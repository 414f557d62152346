#pragma once
// Private to dist.

#include <string>
#include <vector>

#include "dist/versions.h"

namespace tutti::dist {

// The unique identifiers (hexadecimal UUIDs) of the GPUs that this process sees, by device index; none
// in a CPU build, or on a machine without GPU or driver.
std::vector<std::string> visible_gpus();

// Fills in what Versions says of NCCL and CUDA; leaves it empty in a CPU build.
void add_cuda_versions(Versions& versions);

}  // namespace tutti::dist
