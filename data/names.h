#pragma once
// Private to catalogs: names of classes and folds, and their numbers.

#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "data/catalog.h"

namespace tutti::data {

// The place of each name. Throws Error when one is there twice, or they are too many for Index.
template <class Index>
std::map<std::string, Index> positions(const Strings& names, std::string_view what) {
  if (names.size() > static_cast<std::size_t>(std::numeric_limits<Index>::max())) {
    throw Error(text("too many ", what, ": ", names.size()));
  }
  std::map<std::string, Index> result;
  for (const auto& name : names) {
    if (!result.emplace(name, static_cast<Index>(result.size())).second) {
      throw Error(text("the list of ", what, " holds '", name, "' twice"));
    }
  }
  return result;
}

// Adds what is not yet there in the order that Catalog::folds promises.
void add_folds(Catalog& catalog, const Strings& names);

}  // namespace tutti::data
