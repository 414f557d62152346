#include "recipes/recipe.h"

#include <cstdlib>
#include <iostream>

#include "tests/fuzz/fuzz_target.h"

// A recipe that is taken must read back as itself once it is resolved; an Error is no answer to that.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string resolved;
  tutti::read_or_refuse(
      [&] { resolved = to_toml(tutti::recipes::parse_recipe(tutti::as_text(data, size), "recipe.toml")); });
  if (resolved.empty() || to_toml(tutti::recipes::parse_recipe(resolved, "resolved")) == resolved) return 0;
  std::cerr << "reads back as another recipe:\n" << resolved;
  std::abort();
}
