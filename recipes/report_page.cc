#include "recipes/report_page.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "recipes/report_parts.h"
#include "recipes/report_style.h"

namespace tutti::recipes {
namespace {

std::string headline(const RunReport& run) {
  const auto steps = run.history.steps.back().step;
  return text("<p class=\"soft\">", escape(run.model), " with ", grouped(run.parameters), " parameters, ",
              short_number(run.gflop), " GFLOP a clip; ", run.history.steps.back().epoch, " of ", run.epochs,
              " epochs, ", grouped(steps), " steps of ", run.batch,
              " clips.<br/>Scored: ", escape(run.checkpoint.string()), " on ", grouped(run.count),
              " clips of fold ", escape(joined(run.folds)), ".</p>\n");
}

std::string figures(const RunReport& run) {
  std::string html = "<div class=\"figures\">\n";
  for (const auto& [metric, value] : run.metrics)
    html += text("<div>", value_of(metric, value), "<span>", title_of(metric), "</span></div>\n");
  return html + "</div>\n";
}

std::string run_table(const Runs& runs) {
  std::string html =
      "<div class=\"wide\"><table><thead><tr><th>run</th><th>checkpoint</th><th>fold</th><th "
      "class=\"n\">clips</th>";
  for (const auto& [metric, value] : runs.front().metrics)
    html += text("<th class=\"n\">", title_of(metric), "</th>");
  html += "</tr></thead><tbody>\n";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    html += text("<tr><td>", key(i), escape(name_of(runs[i], runs)), "</td><td>",
                 escape(runs[i].checkpoint.string()), "</td><td>", escape(joined(runs[i].folds)),
                 "</td><td class=\"n\">", runs[i].count, "</td>");
    for (const auto& [metric, ignored] : runs.front().metrics) {
      const auto value = find_metric(runs[i].metrics, metric);
      html += text("<td class=\"n\">", value ? value_of(metric, *value) : "", "</td>");
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string environment(const RunReport& run) {
  if (run.environment.empty())
    return note("The run holds no environment.json: it was made by an earlier version of tutti.");
  std::string html = "<div class=\"wide\"><table><tbody>\n";
  for (const auto& [name, value] : run.environment)
    html += text("<tr><td class=\"soft\">", escape(name), "</td><td>", escape(value), "</td></tr>\n");
  return html + "</tbody></table></div>\n";
}

std::string recipe(const RunReport& run, const std::string& id) {
  std::string html = "<div class=\"split\"><div><h3>Environment</h3>\n" + environment(run);
  html += text("</div><div><h3>Recipe</h3>\n<details><summary>Every key</summary><pre>", escape(run.recipe),
               "</pre></details>\n");
  if (!run.log.empty())
    html +=
        text("<details><summary>The end of log.txt</summary><pre>", escape(run.log), "</pre></details>\n");
  return section("recipe" + id, "Recipe and environment", html + "</div></div>\n");
}

std::string differing(const Runs& runs) {
  std::map<std::string, Strings> values;  // by key, of each run
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const auto& [name, value] : runs[i].keys) {
      auto& row = values[name];
      row.resize(runs.size());
      row[i] = value;
    }
  }
  std::string html = "<div class=\"wide\"><table><thead><tr><th>key</th>";
  for (std::size_t i = 0; i < runs.size(); ++i)
    html += text("<th>", key(i), escape(name_of(runs[i], runs)), "</th>");
  html += "</tr></thead><tbody>\n";
  bool any = false;
  for (const auto& [name, row] : values) {
    if (std::ranges::count(row, row.front()) == std::ssize(row)) continue;
    any = true;
    html += text("<tr><td><code>", escape(name), "</code></td>");
    for (const auto& value : row) html += text("<td>", value.empty() ? "\u2013" : escape(value), "</td>");
    html += "</tr>\n";
  }
  return section("differences", "Keys that differ",
                 any ? html + "</tbody></table></div>\n" : note("The runs have the same recipe."));
}

std::string in_full(const RunReport& run, const std::string& id) {
  return classes(run, id) + clips(run, id) + recipe(run, id);
}

}  // namespace

std::string report_page(const Runs& runs) {
  std::string title;
  for (const auto& run : runs) title += (title.empty() ? "" : " / ") + name_of(run, runs);
  std::string page = text(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
      "charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\"/>\n<title>",
      escape(title), "</title>\n<style>", kReportStyle, "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>",
      escape(title), "</h1>\n");
  if (runs.size() == 1) {
    page += headline(runs[0]) + figures(runs[0]) + "</header>\n" + curves(runs) + time_by_part(runs);
    page += in_full(runs[0], "");
  } else {
    page += run_table(runs) + "</header>\n" + differing(runs) + curves(runs) + time_by_part(runs);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      page += text("<details class=\"run\"><summary>", escape(name_of(runs[i], runs)), " in full</summary>\n",
                   headline(runs[i]), in_full(runs[i], text('-', i)), "</details>\n");
    }
  }
  return page + text("</main>\n<script>", kReportScript, "</script>\n</body>\n</html>\n");
}

}  // namespace tutti::recipes
