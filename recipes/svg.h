#pragma once
// Charts as SVG inside a page: lines over two axes, and a confusion matrix. Colours are classes (c0, c1, ...,
// grid, axis) that the page's style sheet gives values to, so they follow its light and dark schemes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace tutti::recipes {

// Text as XML and HTML hold it, in elements and in quoted attributes. What XML cannot hold (control
// characters) becomes U+FFFD.
std::string escape(std::string_view text);

struct Point {
  double x = 0;
  double y = 0;
};

struct Line {
  std::vector<Point> points;  // not finite: a gap
  std::size_t color = 0;
  bool faint = false;     // a background to other lines; its outliers do not widen the axis
  std::string name = {};  // shown where the pointer rests
};

struct Chart {
  std::string description;  // for who cannot see it
  std::string x_label;
  std::vector<Line> lines;
  // Ends of an axis; where missing, those of the points.
  std::optional<double> x_least = {}, x_most = {}, y_least = {}, y_most = {};
};
std::string line_chart(const Chart& chart);

// Rows are true classes, columns predicted ones; a cell's strength is its share of the row.
std::string confusion_matrix(const std::vector<std::vector<std::int64_t>>& counts, const Strings& names);

// About `count` round numbers within [least, most], and how they are written: 0.002, 1e-6, 2.5k.
struct Tick {
  double value = 0;
  std::string label;
};
std::vector<Tick> ticks(double least, double most, int count);

// The mean over `window` points around each, fewer towards the ends; and not more than `most` points, each
// the mean of its neighbourhood.
std::vector<Point> smoothed(const std::vector<Point>& points, std::size_t window);
std::vector<Point> thinned(const std::vector<Point>& points, std::size_t most);

// Four significant digits.
std::string short_number(double value);

}  // namespace tutti::recipes
