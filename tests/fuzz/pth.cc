#include "models/pth.h"

#include "models/pickle.h"
#include "tests/fuzz/fuzz_target.h"

// The bytes as a file and, because a zip file's checksums hold off most changes, as a pickle alone.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = tutti::as_text(data, size);
  const auto path = tutti::input_file("input.pth", bytes);
  tutti::read_or_refuse([&] {
    const tutti::models::PthReader reader(path);
    for (const auto& entry : reader.entries()) {
      std::vector<std::byte> out(entry.bytes);
      reader.read(entry, out);
    }
  });
  tutti::read_or_refuse([&] { tutti::models::Pickle(bytes, "pickle"); });
  return 0;
}
