// The sections Curves and Time by part.

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "recipes/progress.h"
#include "recipes/report_parts.h"

namespace tutti::recipes {
namespace {

std::vector<Point> step_points(const RunReport& run, double StepRecord::*value) {
  std::vector<Point> points;
  for (const auto& record : run.history.steps)
    points.push_back({static_cast<double>(record.step), record.*value});
  return points;
}

std::vector<Point> validation_points(const RunReport& run, const std::string& metric) {
  std::vector<Point> points;
  for (const auto& record : run.history.validations) {
    if (const auto value = find_metric(record.metrics, metric))
      points.push_back({static_cast<double>(record.step), *value});
  }
  return points;
}

// What the log says, faintly, and a running mean over it.
void add_noisy(Chart& chart, const std::vector<Point>& points, std::size_t color, const std::string& name) {
  chart.lines.push_back({thinned(points, kChartPoints), color % kColors, true, name});
  chart.lines.push_back(
      {thinned(smoothed(points, points.size() / 20), kChartPoints), color % kColors, false, name});
}

std::string step_chart(const Runs& runs, const std::string& title, const std::string& unit,
                       double StepRecord::*value, bool noisy) {
  Chart chart{.description = title + " by step", .x_label = "step", .lines = {}, .x_least = 0};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto points = step_points(runs[i], value);
    const auto name = name_of(runs[i], runs);
    if (noisy) add_noisy(chart, points, i, name);
    if (!noisy) chart.lines.push_back({thinned(points, kChartPoints), i % kColors, false, name});
  }
  return figure(title, unit, chart);
}

// Training and validation loss: of one run in two colours, of several apart.
std::string loss_charts(const Runs& runs) {
  if (runs.size() > 1) return step_chart(runs, "training loss", "", &StepRecord::loss, true);
  Chart chart{.description = "loss by step", .x_label = "step", .lines = {}, .x_least = 0};
  add_noisy(chart, step_points(runs[0], &StepRecord::loss), 0, "training");
  chart.lines.push_back({thinned(validation_points(runs[0], "loss"), kChartPoints), 1, false, "validation"});
  return figure("loss", text("<span>", key(0), "training</span><span>", key(1), "validation</span>"), chart);
}

std::string metric_charts(const Runs& runs) {
  std::string html;
  Strings metrics;
  for (const auto& run : runs) {
    for (const auto& record : run.history.validations) {
      for (const auto& [metric, ignored] : record.metrics)
        if (std::ranges::count(metrics, metric) == 0) metrics.push_back(metric);
    }
  }
  for (const auto& metric : metrics) {
    if (metric == "loss" && runs.size() == 1) continue;  // beside the training loss
    Chart chart{.description = metric + " by step", .x_label = "step", .lines = {}, .x_least = 0};
    double best = metric == "loss" ? INFINITY : -INFINITY;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      auto points = validation_points(runs[i], metric);
      for (const auto& point : points)
        best = metric == "loss" ? std::min(best, point.y) : std::max(best, point.y);
      chart.lines.push_back({thinned(points, kChartPoints), i % kColors, false, name_of(runs[i], runs)});
    }
    html +=
        figure("validation " + title_of(metric), "<span>best " + value_of(metric, best) + "</span>", chart);
  }
  return html;
}

PartSeconds seconds_of(const RunReport& run) {
  PartSeconds total;
  const auto add = [&](const PartSeconds& seconds) {
    for (const auto& [part, value] : seconds) {
      const auto found = std::ranges::find(total, part, &PartSeconds::value_type::first);
      if (found == total.end()) {
        total.emplace_back(part, value);
      } else {
        found->second += value;
      }
    }
  };
  for (const auto& record : run.history.steps) add(record.seconds);
  for (const auto& record : run.history.validations) add(record.seconds);
  std::ranges::sort(total, {}, [](const auto& part) { return std::ranges::find(kPartNames, part.first); });
  return total;
}

std::string time_of(const RunReport& run) {
  const auto parts = seconds_of(run);
  const double total = sum(parts);
  if (total <= 0) return note("The run's log holds no times: it was written by an earlier version of tutti.");
  const auto steps = static_cast<double>(run.history.steps.back().step);
  std::string bar, rows;
  for (const auto& [part, seconds] : parts) {
    const auto color = std::ranges::find(kPartNames, part) - kPartNames.begin();
    bar += text("<span class=\"k", color, "\" style=\"width:", fixed(100 * seconds / total, 2),
                "%\" title=\"", escape(part), ' ', percent(seconds / total), "\"></span>");
    rows += text("<tr><td><span class=\"dot k", color, "\"></span>", escape(part), "</td><td class=\"n\">",
                 percent(seconds / total), "</td><td class=\"n\">", format_duration(seconds),
                 "</td><td class=\"n\">", fixed(1000 * seconds / steps, 2), "</td></tr>\n");
  }
  return text("<div class=\"parts\">", bar,
              "</div>\n<div class=\"wide\"><table><thead><tr><th>part</th><th class=\"n\">share</th><th "
              "class=\"n\">m:s</th><th class=\"n\">ms a step</th></tr></thead><tbody>\n",
              rows, "</tbody></table></div>\n");
}

}  // namespace

std::string curves(const Runs& runs) {
  std::string html;
  if (runs.size() > 1) {
    html += "<ul class=\"legend\">";
    for (std::size_t i = 0; i < runs.size(); ++i)
      html += text("<li>", key(i), escape(name_of(runs[i], runs)), "</li>");
    html += "</ul>\n";
  }
  html += "<div class=\"charts\">\n" + loss_charts(runs) + metric_charts(runs);
  html += step_chart(runs, "learning rate", "", &StepRecord::lr, false);
  html += step_chart(runs, "gradient norm", "before clipping", &StepRecord::gradient_norm, true);
  html += step_chart(runs, "throughput", "clips a second", &StepRecord::clips_per_second, true);
  return section("curves", "Curves",
                 html + "</div>\n" +
                     note("Faint: as logged. Strong: a running mean. The training loss is of "
                          "augmented clips and smoothed labels where the recipe says so."));
}

std::string time_by_part(const Runs& runs) {
  std::string html;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto heading = text("<h3>", key(i), escape(name_of(runs[i], runs)), "</h3>\n");
    html += runs.size() == 1 ? time_of(runs[i]) : text("<div>", heading, time_of(runs[i]), "</div>\n");
  }
  if (runs.size() > 1) html = text("<div class=\"charts\">\n", html, "</div>\n");
  return section(
      "time", "Time by part",
      html +
          note("Of the first rank, by the clock; each second is counted once. Communication that runs beside "
               "backward is in backward; communication is the wait for the rest and for the other ranks. On "
               "a GPU "
               "forward and backward are the time to enqueue kernels, and the kernels' own time is in "
               "communication, where the loss is read."));
}

}  // namespace tutti::recipes
