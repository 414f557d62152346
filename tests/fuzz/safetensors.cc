#include "models/safetensors.h"

#include <algorithm>

#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tutti;
  const auto path = input_file("input.safetensors", as_text(data, size));
  read_or_refuse([&] {
    const models::SafetensorsReader reader(path);
    for (const auto& entry : reader.header().entries) {
      std::vector<std::byte> bytes(entry.end - entry.begin);
      reader.read(entry, bytes);
    }
  });
  return 0;
}
