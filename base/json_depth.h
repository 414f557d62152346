#pragma once
// A look at JSON text before a library parses it.

#include <string_view>

namespace tutti {

// Copying or printing a JSON value recurses: text from elsewhere that nests deeper than this could end the
// process. None of our files has more than 5 levels.
inline constexpr int kDeepestJson = 64;

// Whether brackets outside strings nest deeper than kDeepestJson. The text need not be JSON.
bool nests_too_deep(std::string_view json);

}  // namespace tutti
