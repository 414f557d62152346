#include "data/shard_index.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/json_checksum.h"

namespace tutti {
namespace {

void read(std::string_view bytes) {
  const auto path = input_file("index.json", bytes);
  read_or_refuse([&] { data::read_index(path.parent_path()).records(); });
}

}  // namespace
}  // namespace tutti

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = tutti::as_text(data, size);
  tutti::read(bytes);
  tutti::read(tutti::with_checksum(bytes, -1));
  return 0;
}
