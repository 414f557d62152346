#include "tests/fuzz/read_shard.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tutti::read_shard(tutti::input_file("input.h5", tutti::as_text(data, size)));
  return 0;
}
