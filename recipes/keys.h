#pragma once
// Every key of the configuration files with type, default and meaning: docs/recipes.md.

#include <string>

namespace tutti::recipes {

// Markdown. Made from the fields() of the option structs alone.
std::string describe_keys();

}  // namespace tutti::recipes
