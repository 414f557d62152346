#include "data/csv.h"

#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = tutti::input_file("input.csv", tutti::as_text(data, size));
  tutti::read_or_refuse([&] { tutti::data::read_csv(path); });
  return 0;
}
