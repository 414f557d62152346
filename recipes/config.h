#pragma once
// Typed configuration: sections of fields, filled from TOML and from --set, checked, printed, compared.

#include <string>
#include <vector>

#include "base/fields.h"
#include "recipes/toml.h"

namespace tutti::recipes {

struct Section {
  std::string name;  // "optimizer", or "groups.0" for the first table of [[groups]]
  Fields fields;
};
using Sections = std::vector<Section>;

// Sets the field that the entry names. Throws UsageError naming where the entry stands, the key, the
// value, and for an unknown key the nearest known one.
void assign(Sections& sections, const TomlEntry& entry);

// Throws UsageError for the first field whose value is out of its range or choices.
void validate(const Sections& sections);

// The whole configuration as TOML, defaults included.
std::string to_toml(const Sections& sections);

// "optimizer.lr: 0.0001 and 0.001": the keys that identify a run and differ.
Strings differing_keys(const Sections& one, const Sections& other);

}  // namespace tutti::recipes
