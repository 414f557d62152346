#include "recipes/config.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"

namespace tutti::recipes {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// A misspelt key, or the right key in the wrong section.
std::string nearest_key(const Sections& sections, const std::string& key) {
  const auto name_of = [](const std::string& path) { return path.substr(path.rfind('.') + 1); };
  std::string best;
  std::size_t best_distance = key.size() + 1;
  for (const auto& section : sections) {
    for (const auto& field : section.fields) {
      const std::string known = section.name + "." + field.name;
      const std::size_t distance =
          field.name == name_of(key)
              ? 1
              : std::min(edit_distance(known, key), edit_distance(field.name, name_of(key)) + 1);
      if (distance < best_distance) {
        best_distance = distance;
        best = known;
      }
    }
  }
  return best;
}

// Whether the value fits the type; numbers may be written as integers, and a list of one kind that is
// empty fits any list.
struct Assign {
  const TomlValue& value;

  template <class T>
  bool operator()(T* target) const {
    if (const auto* exact = std::get_if<T>(&value)) {
      *target = *exact;
      return true;
    }
    return widen(target);
  }

  template <class T>
  bool widen(T*) const {
    return false;
  }
  bool widen(double* target) const {
    const auto* integer = std::get_if<std::int64_t>(&value);
    if (integer) *target = static_cast<double>(*integer);
    return integer;
  }
  bool widen(Numbers* target) const {
    const auto* integers = std::get_if<Integers>(&value);
    if (integers) target->assign(integers->begin(), integers->end());
    return integers || empty(target);
  }
  bool widen(Integers* target) const { return empty(target); }

  template <class T>
  bool empty(T* target) const {
    const auto* strings = std::get_if<Strings>(&value);
    if (!strings || !strings->empty()) return false;
    target->clear();
    return true;
  }
};

std::string kind(const Field& field) {
  struct Kind {
    std::string operator()(bool*) const { return "true or false"; }
    std::string operator()(std::int64_t*) const { return "an integer"; }
    std::string operator()(double*) const { return "a number"; }
    std::string operator()(std::string*) const { return "a string"; }
    std::string operator()(Strings*) const { return "a list of strings"; }
    std::string operator()(Integers*) const { return "a list of integers"; }
    std::string operator()(Numbers*) const { return "a list of numbers"; }
  };
  return std::visit(Kind{}, field.target);
}

std::map<std::string, std::string> identity(const Sections& sections) {
  std::map<std::string, std::string> values;
  for (const auto& section : sections) {
    for (const auto& field : section.fields) {
      if (field.identifies_run) values[section.name + "." + field.name] = tutti::to_toml(field);
    }
  }
  return values;
}

}  // namespace

void assign(Sections& sections, const TomlEntry& entry) {
  for (auto& section : sections) {
    for (auto& field : section.fields) {
      if (section.name + "." + field.name != entry.key) continue;
      if (!std::visit(Assign{entry.value}, field.target)) {
        throw UsageError(
            text(entry.where, ": ", entry.key, " must be ", kind(field), ", and is ", describe(entry.value)));
      }
      if (const auto wrong = complaint(field); !wrong.empty()) {
        throw UsageError(text(entry.where, ": ", entry.key, " ", wrong));
      }
      return;
    }
  }
  const auto nearest = nearest_key(sections, entry.key);
  throw UsageError(text(entry.where, ": unknown key ", entry.key), "", text("Did you mean ", nearest, "?"));
}

void validate(const Sections& sections) {
  for (const auto& section : sections) {
    for (const auto& field : section.fields) {
      if (const auto wrong = complaint(field); !wrong.empty()) {
        throw UsageError(text(section.name, ".", field.name, " ", wrong));
      }
    }
  }
}

std::string to_toml(const Sections& sections) {
  std::string document;
  for (const auto& section : sections) {
    const auto dot = section.name.find('.');
    document += document.empty() ? "" : "\n";
    document += dot == std::string::npos ? text("[", section.name, "]\n")
                                         : text("[[", section.name.substr(0, dot), "]]\n");
    for (const auto& field : section.fields) document += text(field.name, " = ", tutti::to_toml(field), "\n");
  }
  return document;
}

Strings differing_keys(const Sections& one, const Sections& other) {
  const auto ours = identity(one);
  const auto theirs = identity(other);
  Strings differences;
  const auto value = [](const auto& values, const std::string& key) {
    const auto found = values.find(key);
    return found == values.end() ? std::string("(not there)") : found->second;
  };
  auto all = ours;
  all.insert(theirs.begin(), theirs.end());
  for (const auto& [key, ignored] : all) {
    const auto a = value(ours, key), b = value(theirs, key);
    if (a != b) differences.push_back(text(key, ": ", a, " and ", b));
  }
  return differences;
}

}  // namespace tutti::recipes
