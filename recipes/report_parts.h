#pragma once
// What the sections of a report share.

#include <cstddef>
#include <string>
#include <vector>

#include "recipes/report.h"
#include "recipes/svg.h"

namespace tutti::recipes {

using Runs = std::vector<RunReport>;

inline constexpr std::size_t kColors = 8;         // c0 ... c7 of the style sheet
inline constexpr std::size_t kChartPoints = 300;  // of a line; a chart is not much wider in pixels

// The sections. `id` keeps their names apart where a page has several runs in full: "", or "-0", "-1", ...
std::string curves(const Runs& runs);
std::string time_by_part(const Runs& runs);
std::string classes(const RunReport& run, const std::string& id);
std::string clips(const RunReport& run, const std::string& id);

// What they are made of. Strings that come in are markup already, unless it says text.
std::string section(const std::string& id, const std::string& heading, const std::string& content);
std::string note(const std::string& content);
std::string figure(const std::string& title, const std::string& caption, const Chart& chart);
std::string key(std::size_t color);  // the sample of a colour in a legend

std::string fixed(double value, int digits);
std::string percent(double share);
std::string grouped(std::int64_t value);  // 930074 -> 930,074
std::string joined(const Strings& words);

std::string title_of(const std::string& metric);  // in words
std::string value_of(const std::string& metric, double value);

// Text: the folder's own name, or the path where two runs share it.
std::string name_of(const RunReport& run, const Runs& runs);

}  // namespace tutti::recipes
