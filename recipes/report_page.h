#pragma once
// The report as one HTML page that needs nothing else: style, pictures and sounds are inside. It is also
// well-formed XML.

#include <string>
#include <vector>

#include "recipes/report.h"

namespace tutti::recipes {

// One run in full, or several: their curves over each other, what their recipes differ in, and each in full.
std::string report_page(const std::vector<RunReport>& runs);

}  // namespace tutti::recipes
