#include "recipes/recipe.h"

#include <cstdlib>
#include <iostream>

#include "tests/fuzz/fuzz_target.h"

// A recipe that is taken must read back as itself once it is resolved.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tutti;
  read_or_refuse([&] {
    const std::string resolved = to_toml(recipes::parse_recipe(as_text(data, size), "recipe.toml"));
    if (to_toml(recipes::parse_recipe(resolved, "resolved")) != resolved) {
      std::cerr << "reads back as another recipe:\n" << resolved;
      std::abort();
    }
  });
  return 0;
}
