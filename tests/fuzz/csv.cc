#include "data/csv.h"

#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tutti;
  const auto path = input_file("input.csv", as_text(data, size));
  read_or_refuse([&] { data::read_csv(path); });
  return 0;
}
