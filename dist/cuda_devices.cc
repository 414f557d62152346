#include "dist/cuda_devices.h"

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

}  // namespace tutti::dist
