#include "data/catalog.h"
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tutti;
  const auto path = input_file("manifest.csv", as_text(data, size));
  read_or_refuse([&] { data::read_manifest(path); });
  read_or_refuse([&] { data::read_manifest(path, "root", {"a", "b"}); });
  return 0;
}
