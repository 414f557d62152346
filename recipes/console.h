#pragma once
// Where a job speaks to its user: the first rank to the terminal or a file, the others nowhere.

#include <ostream>

#include "base/log.h"

namespace tutti::recipes {

struct Console {
  Log log;
  std::ostream* progress = nullptr;  // null: show none
  bool terminal = false;             // whether `progress` is one, and lines can be rewritten
};

}  // namespace tutti::recipes
