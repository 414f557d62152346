#pragma once
// TOML text as a flat list of entries. The only file that knows the TOML library is toml.cc.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/fields.h"

namespace tutti::recipes {

using TomlValue = std::variant<bool, std::int64_t, double, std::string, Strings, Integers, Numbers>;

struct TomlEntry {
  std::string key;    // dotted path; a table of an array of tables has its number: "groups.0.match"
  TomlValue value;    // an empty array is a Strings
  std::string where;  // "recipes/x.toml:12", or what the caller named the source
};

// The entries of a document in the order of their keys. `source` names it in errors. Throws
// UsageError that names source and line when it is not TOML, holds a date, or a mixed array.
std::vector<TomlEntry> parse_toml(std::string_view document, const std::string& source);

// One "key=value" from the command line. The value is TOML; text without quotes is taken as a string.
TomlEntry parse_assignment(const std::string& assignment);

// "a string", "an integer", ...: for messages.
std::string describe(const TomlValue& value);

}  // namespace tutti::recipes
