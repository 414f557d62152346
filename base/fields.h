#pragma once
// Option structs describe themselves: beside each plain struct stands one function
// `Fields fields(TheStruct&)` that lists its keys. The list is all that parsing, printing, comparing
// and documenting a recipe need, so a key is written down once.

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

namespace tutti {

using Strings = std::vector<std::string>;
using Integers = std::vector<std::int64_t>;
using Numbers = std::vector<double>;

struct Field {
  using Target = std::variant<bool*, std::int64_t*, double*, std::string*, Strings*, Integers*, Numbers*>;

  std::string name;     // as in the TOML file
  Target target;        // where the value lies, in the struct that was asked
  std::string meaning;  // one line for --help and docs/recipes.md, with the unit

  // What is allowed; the defaults allow everything.
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  Strings choices = {};

  // False for a key that cannot change the mathematics (logging, cadence, threads): a run may be
  // continued with another value.
  bool identifies_run = true;
};

using Fields = std::vector<Field>;

// What is wrong with the value that a field holds now, or an empty string: out of [least, most], not
// among the choices, not finite.
std::string complaint(const Field& field);

// The value as TOML: true, 3, 1e-4, "text", [1, 2].
std::string to_toml(const Field& field);

}  // namespace tutti
