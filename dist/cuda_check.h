#pragma once
// Private to the GPU build's files: CUDA's return codes as exceptions.

#include <cuda_runtime_api.h>

#include <source_location>
#include <string_view>

#include "base/error.h"

namespace tutti::dist {

inline void check(cudaError_t code, std::string_view call,
                  std::source_location where = std::source_location::current()) {
  if (code == cudaSuccess) return;
  throw Error(text(call, " failed at ", where.file_name(), ":", where.line()), cudaGetErrorString(code));
}

}  // namespace tutti::dist
