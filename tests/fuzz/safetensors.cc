#include "models/safetensors.h"

#include <algorithm>

#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = tutti::input_file("input.safetensors", tutti::as_text(data, size));
  tutti::read_or_refuse([&] {
    const tutti::models::SafetensorsReader reader(path);
    for (const auto& entry : reader.header().entries) {
      std::vector<std::byte> bytes(entry.end - entry.begin);
      reader.read(entry, bytes);
    }
  });
  return 0;
}
