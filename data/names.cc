#include "data/names.h"

#include <algorithm>
#include <set>
#include <utility>

namespace tutti::data {
namespace {

bool is_number(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

// Numbers first and by value (leading zeros break ties), then the rest bytewise.
bool fold_before(const std::string& a, const std::string& b) {
  if (is_number(a) != is_number(b)) return is_number(a);
  if (!is_number(a)) return a < b;
  const auto digits = [](const std::string& n) {
    return n.substr(std::min(n.find_first_not_of('0'), n.size()));
  };
  const std::string x = digits(a), y = digits(b);
  if (x.size() != y.size()) return x.size() < y.size();
  return std::pair(x, a) < std::pair(y, b);
}

}  // namespace

void add_folds(Catalog& catalog, const Strings& names) {
  std::set<std::string, decltype(&fold_before)> sorted(names.begin(), names.end(), &fold_before);
  for (const auto& known : catalog.folds) sorted.erase(known);
  catalog.folds.insert(catalog.folds.end(), sorted.begin(), sorted.end());
}

}  // namespace tutti::data
