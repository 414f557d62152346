#include "dist/cuda_devices.h"

#include <nccl.h>

#include "dist/cuda_check.h"

namespace tutti::dist {

std::vector<std::string> visible_gpus() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  // What a machine without GPU answers, and one without driver: the GPU build runs there too.
  if (code == cudaErrorNoDevice || code == cudaErrorInsufficientDriver) {
    cudaGetLastError();  // clears the error, which later calls would report as theirs
    return {};
  }
  check(code, "cudaGetDeviceCount");
  std::vector<std::string> uuids;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    std::string uuid;
    for (const char byte : properties.uuid.bytes) {
      constexpr char hex[] = "0123456789abcdef";
      uuid += hex[(static_cast<unsigned char>(byte) >> 4) & 15];
      uuid += hex[static_cast<unsigned char>(byte) & 15];
    }
    uuids.push_back(uuid);
  }
  return uuids;
}

namespace {

// NCCL writes 2.28.9 as 22809.
std::string nccl_version(int code) { return text(code / 10000, '.', code / 100 % 100, '.', code % 100); }

}  // namespace

void add_cuda_versions(Versions& versions) {
  versions.nccl_built = nccl_version(NCCL_VERSION_CODE);
  int found = 0;
  versions.nccl_loaded = ncclGetVersion(&found) == ncclSuccess ? nccl_version(found) : "unknown";
  // Neither needs a GPU; without a driver its version is 0.
  check(cudaRuntimeGetVersion(&versions.cuda_runtime), "cudaRuntimeGetVersion");
  check(cudaDriverGetVersion(&versions.cuda_driver), "cudaDriverGetVersion");
}

}  // namespace tutti::dist
