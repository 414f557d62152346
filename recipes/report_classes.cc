// The sections Classes and Confusion matrix.

#include <algorithm>

#include "base/error.h"
#include "recipes/report_parts.h"

namespace tutti::recipes {
namespace {

constexpr std::size_t kMatrixClasses = 60;   // a larger confusion matrix cannot be read
constexpr std::size_t kWorstConfusions = 8;  // that are listed

std::string share_cell(const std::optional<double>& value) {
  if (!value) return "<td class=\"n\" data-value=\"-1\">\u2013</td>";
  return text("<td class=\"n v\" data-value=\"", *value, "\" style=\"--v:", fixed(100 * *value, 0), "%\">",
              fixed(*value, 3), "</td>");
}

// The hardest classes first.
std::string class_table(const ClassReport& report) {
  const bool single = report.confusion.has_value();
  auto classes = report.classes;
  std::ranges::stable_sort(classes, {}, [&](const ClassResult& c) {
    return c.clips == 0 ? 2.0 : (single ? c.f1 : c.average_precision).value_or(2.0);
  });
  std::string html = "<div class=\"wide scroll\"><table><thead><tr><th data-sort=\"down\">class</th>";
  html += "<th class=\"n\" data-sort=\"down\">clips</th>";
  const Strings columns = single ? Strings{"precision", "recall", "F1", "AP", "AUC"} : Strings{"AP", "AUC"};
  for (const auto& name : columns) html += text("<th class=\"n\" data-sort=\"down\">", name, "</th>");
  html += "</tr></thead><tbody>\n";
  for (const auto& c : classes) {
    html += text("<tr><td>", escape(c.name), "</td><td class=\"n\">", c.clips, "</td>");
    if (single) html += share_cell(c.precision) + share_cell(c.recall) + share_cell(c.f1);
    html += share_cell(c.average_precision) + share_cell(c.auc) + "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::vector<Point> points_of(const std::vector<PrecisionRecall>& curve) {
  std::vector<Point> points;
  for (const auto& point : curve) points.push_back({point.recall, point.precision});
  return thinned(points, kChartPoints);
}

std::string precision_recall_chart(const ClassReport& report) {
  Chart chart{.description = "precision over recall",
              .x_label = "recall",
              .lines = {},
              .x_least = 0,
              .x_most = 1,
              .y_least = 0,
              .y_most = 1};
  if (report.classes.size() <= kMatrixClasses) {
    for (const auto& c : report.classes) chart.lines.push_back({points_of(c.curve), 6, true, c.name});
  }
  chart.lines.push_back({points_of(report.pooled), 0, false, "all classes"});
  return figure("precision over recall",
                text("<span>", key(0), "all pairs of clip and class</span>",
                     chart.lines.size() > 1 ? text("<span>", key(6), "each class</span>") : ""),
                chart);
}

std::string worst_confusions(const ClassReport& report) {
  struct Confusion {
    std::size_t truth, predicted;
    std::int64_t clips;
  };
  std::vector<Confusion> all;
  const auto& counts = *report.confusion;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    for (std::size_t k = 0; k < counts.size(); ++k)
      if (i != k && counts[i][k] > 0) all.push_back({i, k, counts[i][k]});
  }
  if (all.empty()) return "";
  std::ranges::stable_sort(all, std::greater{}, &Confusion::clips);
  all.resize(std::min(all.size(), kWorstConfusions));
  std::string html =
      "<h3>Most frequent confusions</h3>\n<div class=\"wide\"><table><thead><tr><th>truth</th>"
      "<th>taken for</th><th class=\"n\">clips</th></tr></thead><tbody>\n";
  for (const auto& c : all) {
    html += text("<tr><td>", escape(report.classes[c.truth].name), "</td><td>",
                 escape(report.classes[c.predicted].name), "</td><td class=\"n\">", c.clips, " of ",
                 report.classes[c.truth].clips, "</td></tr>\n");
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace

std::string classes(const RunReport& run, const std::string& id) {
  const auto& report = run.classes;
  const auto table = note("The hardest first; a click on a column sorts by it.") + class_table(report);
  if (!report.confusion) {
    return section(
        "classes" + id, "Classes",
        text("<div class=\"split\"><div>", table, "</div><div>", precision_recall_chart(report),
             note("Clips carry several labels or none, so there is no confusion matrix."), "</div></div>\n"));
  }
  Strings names;
  for (const auto& c : report.classes) names.push_back(c.name);
  const auto matrix = names.size() <= kMatrixClasses
                          ? confusion_matrix(*report.confusion, names)
                          : note(text("A matrix of ", names.size(), " classes cannot be read."));
  return section("classes" + id, "Classes",
                 text("<div class=\"split\"><div>", table, "</div><div>", precision_recall_chart(report),
                      "</div></div>\n")) +
         section(
             "confusion" + id, "Confusion matrix",
             text(note("Rows: the true class. Columns: the class with the highest score. Strength: share of "
                       "the row."),
                  "<div class=\"split matrix\"><div>", matrix, "</div><div>", worst_confusions(report),
                  "</div></div>\n"));
}

}  // namespace tutti::recipes
