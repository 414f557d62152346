#include "recipes/svg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>

#include "base/error.h"

namespace tutti::recipes {
namespace {

constexpr double kWidth = 380, kHeight = 210;
constexpr double kLeft = 44, kRight = 12, kTop = 10, kBottom = 34;

std::string printed(const char* format, double value) {
  char digits[40];
  std::snprintf(digits, sizeof digits, format, value);
  return digits;
}

// A coordinate: a tenth of a pixel is fine enough.
std::string at(double value) { return printed("%.1f", value); }

// 12.500 -> 12.5
std::string without_zeros(std::string digits) {
  if (digits.find('.') == digits.npos) return digits;
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

std::string tick_label(double value, double step) {
  if (std::abs(value) < step / 1000) return "0";
  const double size = std::max(std::abs(value), step);
  if (size >= 1e6) return without_zeros(printed("%.3f", value / 1e6)) + "M";
  if (size >= 1e3) return without_zeros(printed("%.3f", value / 1e3)) + "k";
  if (step < 1e-4) return printed("%.0e", value);
  return without_zeros(printed("%.4f", value));
}

struct Range {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();

  void add(double value) {
    if (!std::isfinite(value)) return;
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

// All of a line's values, or the middle 98% of a faint one's.
void add_values(Range& range, const Line& line) {
  std::vector<double> values;
  for (const auto& point : line.points) {
    if (std::isfinite(point.y)) values.push_back(point.y);
  }
  if (values.empty()) return;
  std::ranges::sort(values);
  const auto cut = line.faint ? values.size() / 100 : 0;
  range.add(values[cut]);
  range.add(values[values.size() - 1 - cut]);
}

// Never empty, and a little wider than the values.
Range widened(Range range, std::optional<double> least, std::optional<double> most, double margin) {
  if (range.least > range.most) range = {0, 1};
  const double room = (range.most - range.least) * margin;
  const bool positive = range.least >= 0;
  range = {range.least - room, range.most + room};
  if (positive) range.least = std::max(range.least, 0.0);
  if (range.most == range.least) range = {range.least - 0.5, range.most + 0.5};
  return {least.value_or(range.least), most.value_or(range.most)};
}

// From values to pixels.
struct Scale {
  Range range;
  double from, to;
  double operator()(double value) const {
    return from + (to - from) * (value - range.least) / (range.most - range.least);
  }
};

std::string path_of(const Line& line, const Scale& x, const Scale& y) {
  std::string path;
  bool pen_down = false;
  for (const auto& point : line.points) {
    const bool drawn = std::isfinite(point.x) && std::isfinite(point.y);
    if (drawn) path += text(pen_down ? "L" : "M", at(x(point.x)), ' ', at(y(point.y)));
    pen_down = drawn;
  }
  return path;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        const auto code = static_cast<unsigned char>(c);
        if (code == 0x7f || (code < 0x20 && c != '\n' && c != '\t')) {
          result += "\xEF\xBF\xBD";
        } else {
          result += c;
        }
    }
  }
  return result;
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : "inf";
  return printed("%.4g", value);
}

std::vector<Tick> ticks(double least, double most, int count) {
  const double rough = (most - least) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power < rough * 0.7) continue;
    step = factor * power;
    break;
  }
  std::vector<Tick> result;
  const auto first = static_cast<std::int64_t>(std::ceil(least / step - 1e-9));
  const auto last = static_cast<std::int64_t>(std::floor(most / step + 1e-9));
  for (auto i = first; i <= last; ++i) {
    const double value = static_cast<double>(i) * step;
    result.push_back({value, tick_label(value, step)});
  }
  return result;
}

std::vector<Point> smoothed(const std::vector<Point>& points, std::size_t window) {
  std::vector<Point> finite;
  std::ranges::copy_if(points, std::back_inserter(finite), [](const Point& p) { return std::isfinite(p.y); });
  std::vector<double> sums = {0};  // of all before
  for (const auto& point : finite) sums.push_back(sums.back() + point.y);
  std::vector<Point> result;
  for (std::size_t i = 0; i < finite.size(); ++i) {
    const auto reach = std::min({window / 2, i, finite.size() - 1 - i});  // as far on both sides
    const double mean = (sums[i + reach + 1] - sums[i - reach]) / static_cast<double>(2 * reach + 1);
    result.push_back({finite[i].x, mean});
  }
  return result;
}

std::vector<Point> thinned(const std::vector<Point>& points, std::size_t most) {
  if (points.size() <= most) return points;
  std::vector<Point> result;
  for (std::size_t i = 0; i < most; ++i) {
    const auto begin = i * points.size() / most, end = (i + 1) * points.size() / most;
    Point mean;
    for (auto k = begin; k < end; ++k) {
      mean.x += points[k].x / static_cast<double>(end - begin);
      mean.y += points[k].y / static_cast<double>(end - begin);
    }
    result.push_back(mean);
  }
  return result;
}

std::string line_chart(const Chart& chart) {
  Range x_range, y_range;
  for (const auto& line : chart.lines) {
    for (const auto& point : line.points) x_range.add(point.x);
    add_values(y_range, line);
  }
  const Scale x{widened(x_range, chart.x_least, chart.x_most, 0), kLeft, kWidth - kRight};
  const Scale y{widened(y_range, chart.y_least, chart.y_most, 0.06), kHeight - kBottom, kTop};

  std::string svg = text("<svg class=\"chart\" viewBox=\"0 0 ", kWidth, ' ', kHeight,
                         "\" role=\"img\" aria-label=\"", escape(chart.description), "\">\n");
  for (const auto& tick : ticks(y.range.least, y.range.most, 4)) {
    const auto height = at(y(tick.value));
    svg +=
        text("<path class=\"grid\" d=\"M", kLeft, ' ', height, "H", kWidth - kRight, "\"/><text x=\"",
             kLeft - 6, "\" y=\"", height, "\" dy=\".35em\" text-anchor=\"end\">", tick.label, "</text>\n");
  }
  for (const auto& tick : ticks(x.range.least, x.range.most, 5)) {
    const auto place = at(x(tick.value));
    svg += text("<path class=\"axis\" d=\"M", place, ' ', kHeight - kBottom, "v4\"/><text x=\"", place,
                "\" y=\"", kHeight - kBottom + 15, "\" text-anchor=\"middle\">", tick.label, "</text>\n");
  }
  svg += text("<path class=\"axis\" d=\"M", kLeft, ' ', kHeight - kBottom, "H", kWidth - kRight,
              "\"/><text x=\"", kWidth - kRight, "\" y=\"", kHeight - 4, "\" text-anchor=\"end\">",
              escape(chart.x_label), "</text>\n");
  // An inner picture cuts off what leaves the axes.
  svg += text("<svg x=\"", kLeft, "\" y=\"", kTop - 2, "\" width=\"", kWidth - kLeft - kRight, "\" height=\"",
              kHeight - kTop - kBottom + 4, "\" viewBox=\"", kLeft, ' ', kTop - 2, ' ',
              kWidth - kLeft - kRight, ' ', kHeight - kTop - kBottom + 4, "\">\n");
  for (const auto& line : chart.lines) {
    const auto path = path_of(line, x, y);
    if (path.empty()) continue;
    svg += text("<path class=\"line c", line.color, line.faint ? " faint" : "", "\" d=\"", path, "\"><title>",
                escape(line.name), "</title></path>\n");
  }
  return svg + "</svg>\n</svg>\n";
}

std::string confusion_matrix(const std::vector<std::vector<std::int64_t>>& counts, const Strings& names) {
  constexpr double cell = 20;
  std::size_t longest = 2;
  for (const auto& name : names) longest = std::max(longest, std::min<std::size_t>(name.size(), 40));
  const double margin = 14 + 7 * static_cast<double>(longest);
  const double side = cell * static_cast<double>(counts.size());
  const auto middle = [&](std::size_t i) { return margin + cell * (static_cast<double>(i) + 0.5); };

  std::string svg = text("<svg class=\"confusion\" viewBox=\"0 0 ", margin + side + 4, ' ', margin + side + 4,
                         "\" style=\"max-width:", margin + side + 4,
                         "px\" role=\"img\" aria-label=\"Confusion matrix\">\n<path class=\"grid\" d=\"");
  for (std::size_t i = 0; i <= counts.size(); ++i) {
    const double line = margin + cell * static_cast<double>(i);
    svg += text("M", margin, ' ', line, "h", side, "M", line, ' ', margin, "v", side);
  }
  svg += "\"/>\n";
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto name = escape(names.at(i));
    svg += text("<text x=\"", margin - 6, "\" y=\"", middle(i), "\" dy=\".35em\" text-anchor=\"end\">", name,
                "</text><text transform=\"translate(", middle(i), ' ', margin - 6,
                ") rotate(-90)\" dy=\".35em\">", name, "</text>\n");
    std::int64_t total = 0;
    for (const auto count : counts[i]) total += count;
    for (std::size_t k = 0; k < counts.size(); ++k) {
      if (counts[i][k] == 0) continue;
      const double share = static_cast<double>(counts[i][k]) / static_cast<double>(total);
      svg += text("<g><title>", name, " taken for ", escape(names[k]), ": ", counts[i][k], " of ", total,
                  "</title><rect class=\"", i == k ? "right" : "wrong", "\" x=\"", middle(k) - cell / 2 + 0.5,
                  "\" y=\"", middle(i) - cell / 2 + 0.5, "\" width=\"", cell - 1, "\" height=\"", cell - 1,
                  "\" fill-opacity=\"", printed("%.2f", 0.15 + 0.85 * share), "\"/><text class=\"",
                  share > 0.55 ? "over" : "count", "\" x=\"", middle(k), "\" y=\"", middle(i),
                  "\" dy=\".35em\" text-anchor=\"middle\">", counts[i][k], "</text></g>\n");
    }
  }
  return svg + "</svg>\n";
}

}  // namespace tutti::recipes
