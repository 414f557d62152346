#include "recipes/checkpoint.h"

#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/json_checksum.h"

namespace tutti {
namespace {

void read(std::string_view bytes) {
  input_file("weights", "abcd");
  const auto path = input_file("MANIFEST.json", bytes);
  read_or_refuse([&] { recipes::verify_checkpoint(path.parent_path()); });
}

}  // namespace
}  // namespace tutti

// The bytes are taken for the manifest, as they are and with a checksum that holds, and for state.json.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = tutti::as_text(data, size);
  const auto state = tutti::input_file("state.json", bytes);
  tutti::read(bytes);
  tutti::read(tutti::with_checksum(bytes, 1));
  tutti::read_or_refuse([&] { tutti::recipes::read_state(state.parent_path()); });
  return 0;
}
