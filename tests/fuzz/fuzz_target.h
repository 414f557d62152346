#pragma once
// What the fuzz targets share. Each file of this folder defines one function, LLVMFuzzerTestOneInput, which
// libFuzzer (tests/fuzz/run.sh) or replay.cc calls with bytes of its choice.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tests/temporary_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tutti {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A file of a folder that lives as long as the process.
inline std::filesystem::path input_file(std::string_view name, std::string_view bytes) {
  static const TemporaryFolder folder;
  const auto path = folder.path() / name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// An Error is what a reader should answer to bytes that it does not take. Anything else ends the process.
template <class Read>
void read_or_refuse(Read read) {
  try {
    read();
  } catch (const Error&) {
  }
}

}  // namespace tutti
