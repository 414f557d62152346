#include "recipes/report_parts.h"

#include <algorithm>
#include <iomanip>
#include <map>
#include <sstream>

#include "base/error.h"

namespace tutti::recipes {

std::string fixed(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

std::string percent(double share) { return fixed(100 * share, 1) + "%"; }

std::string joined(const Strings& words) {
  std::string result;
  for (const auto& word : words) result += (result.empty() ? "" : ", ") + word;
  return result;
}

std::string grouped(std::int64_t value) {
  auto digits = std::to_string(value);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(digits.begin() + i, ',');
  return digits;
}

std::string title_of(const std::string& metric) {
  static const std::map<std::string, std::string> titles = {
      {"accuracy", "accuracy"}, {"top5", "top-5 accuracy"}, {"map", "mAP"},
      {"auc", "AUC"},           {"dprime", "d\u2032"},      {"loss", "loss"}};
  const auto found = titles.find(metric);
  return found == titles.end() ? metric : found->second;
}

std::string value_of(const std::string& metric, double value) {
  return metric == "accuracy" || metric == "top5" ? percent(value) : fixed(value, 3);
}

std::string name_of(const RunReport& run, const Runs& runs) {
  const auto last = [](const RunReport& r) {
    const auto path = r.folder.lexically_normal();
    return (path.has_filename() ? path : path.parent_path()).filename().string();
  };
  const auto name = last(run);
  const auto same = std::ranges::count_if(runs, [&](const RunReport& r) { return last(r) == name; });
  return same > 1 ? run.folder.string() : name;
}

std::string section(const std::string& id, const std::string& heading, const std::string& content) {
  return text("<section id=\"", id, "\">\n<h2>", heading, "</h2>\n", content, "</section>\n");
}

std::string note(const std::string& content) { return text("<p class=\"note\">", content, "</p>\n"); }

std::string figure(const std::string& title, const std::string& caption, const Chart& chart) {
  return text("<figure><figcaption><b>", title, "</b>", caption, "</figcaption>\n", line_chart(chart),
              "</figure>\n");
}

std::string key(std::size_t color) { return text("<span class=\"key k", color % kColors, "\"></span>"); }

}  // namespace tutti::recipes
