// replay FOLDER: gives each file of the folder to the fuzz target that it is linked with, in the order of the
// names.

#include <cstdio>
#include <exception>
#include <set>

#include "base/files.h"
#include "tests/fuzz/fuzz_target.h"

int main(int argc, char** argv) {
  try {
    std::set<std::filesystem::path> inputs;
    if (argc == 2)
      inputs = {std::filesystem::directory_iterator(argv[1]), std::filesystem::directory_iterator()};
    for (const auto& input : inputs) {
      std::printf("%s\n", input.c_str());
      std::fflush(stdout);
      const std::string bytes = tutti::read_file(input);
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    }
    std::printf("%zu inputs\n", inputs.size());
    return inputs.empty() ? 2 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "replay: not an Error, but: %s\n", error.what());
    return 1;
  }
}
