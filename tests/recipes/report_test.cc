#include "recipes/report_page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "recipes/svg.h"

namespace tutti::recipes {
namespace {

const Strings kNames = {"a<b", "R&B \"live\"", "it's ㄤ"};

RunReport small_report(const std::string& folder) {
  RunReport report{.folder = folder};
  report.history.steps = {{10, 1, 1.5, 1e-3, 2.0, 100.0, {{"data", 0.25}, {"forward", 0.75}}},
                          {20, 2, 1.0, 1e-3, 1.0, 110.0, {{"forward", 1.0}}}};
  report.history.validations = {{20, 2, "validation", {{"accuracy", 0.5}, {"loss", 1.25}}}};
  report.keys = {{"optimizer.lr", "0.001"}, {"train.seed", "1"}};
  report.folds = {"test"};
  report.count = 3;
  report.metrics = {{"accuracy", 2.0 / 3}};
  const Scores scores{3, {.8, .1, .1, .6, .3, .1, .1, .1, .8}, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  report.classes = describe_classes(scores, kNames);
  report.clips = {{.key = "<script>alert(1)</script>",
                   .seconds = 0.5,
                   .truth = {kNames[1]},
                   .predicted = {{kNames[0], 0.6}},
                   .spectrogram = "data:image/png;base64,AAAA",
                   .attention = {"data:image/png;base64,BBBB"}}};
  report.mistakes = 1;
  report.log = "2026 <b>bold</b>\n";
  return report;
}

TEST(Report, EscapesWhatMarkupWouldTakeForItself) {
  EXPECT_EQ(escape("a<b & \"c\" it's > ㄤ"), "a&lt;b &amp; &quot;c&quot; it&#39;s &gt; ㄤ");
  EXPECT_EQ(escape(std::string_view("\0\x1b[\x7f\t\n", 6)), "\uFFFD\uFFFD[\uFFFD\t\n");
}

TEST(Report, NamesAreEscapedEverywhere) {
  const auto page = report_page({small_report("runs/<i>x & y</i>")});
  for (const auto* raw : {"a<b", "R&B", "<script>alert", "<b>bold", "<i>x"}) {
    EXPECT_EQ(page.find(raw), page.npos) << raw;
  }
  for (const auto* escaped :
       {"a&lt;b", "R&amp;B &quot;live&quot;", "it&#39;s ㄤ", "&lt;script&gt;alert", "2026 &lt;b&gt;bold"}) {
    EXPECT_NE(page.find(escaped), page.npos) << escaped;
  }
}

TEST(Report, HasEachSection) {
  const auto one = report_page({small_report("runs/one")});
  for (const auto* id : {"curves", "time", "classes", "confusion", "clips", "recipe"}) {
    EXPECT_NE(one.find(std::string("<section id=\"") + id + '"'), one.npos) << id;
  }
  auto other = small_report("runs/two");
  other.keys[0].second = "0.25";
  const auto two = report_page({small_report("runs/one"), other});
  EXPECT_NE(two.find("<td><code>optimizer.lr</code></td><td>0.001</td><td>0.25</td>"), two.npos);
  EXPECT_EQ(two.find("<td><code>train.seed"), two.npos);
}

TEST(Report, SecondsAreSummedByPart) {
  const auto page = report_page({small_report("runs/one")});
  EXPECT_NE(page.find("title=\"data 12.5%\""), page.npos);
  EXPECT_NE(page.find("title=\"forward 87.5%\""), page.npos);
}

TEST(ClassReport, CountsOfASmallSet) {
  const Scores scores{3, {.8, .1, .1, .6, .3, .1, .1, .1, .8}, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  const auto report = describe_classes(scores, kNames);
  ASSERT_TRUE(report.confusion);
  EXPECT_EQ((*report.confusion)[1], (std::vector<std::int64_t>{1, 0, 0}));
  EXPECT_EQ(report.classes[0].precision, 0.5);
  EXPECT_EQ(report.classes[0].recall, 1.0);
  EXPECT_FALSE(report.classes[1].precision);  // never predicted
  EXPECT_EQ(report.classes[1].average_precision, 1.0);
  EXPECT_EQ(report.pooled.back().recall, 1.0);
}

TEST(ClassReport, SeveralLabelsHaveNoConfusionMatrix) {
  const Scores scores{2, {.8, .4, .3, .2}, {1, 1, 0, 1}};
  EXPECT_FALSE(describe_classes(scores, {"a", "b"}).confusion);
  EXPECT_GT(clip_losses(scores)[1], clip_losses(scores)[0]);
}

TEST(Svg, TicksAreRoundAndCoverTheRange) {
  const auto labels = [](double least, double most) {
    Strings result;
    for (const auto& tick : ticks(least, most, 4)) result.push_back(tick.label);
    return result;
  };
  EXPECT_EQ(labels(0, 1), (Strings{"0", "0.2", "0.4", "0.6", "0.8", "1"}));
  EXPECT_EQ(labels(0, 5400), (Strings{"0", "1k", "2k", "3k", "4k", "5k"}));
  EXPECT_EQ(labels(0, 1e-3), (Strings{"0", "0.0002", "0.0004", "0.0006", "0.0008", "0.001"}));
  EXPECT_EQ(labels(-1.5, 2), (Strings{"-1", "0", "1", "2"}));
}

TEST(Svg, ALineHasAGapWhereThereIsNoNumber) {
  const Chart chart{.description = "x", .x_label = "step", .lines = {{{{0, 0}, {1, NAN}, {2, 1}, {3, 2}}}}};
  const auto svg = line_chart(chart);
  const auto path = svg.substr(svg.find("class=\"line"));
  EXPECT_EQ(std::ranges::count(path.substr(0, path.find("/>")), 'M'), 2);
}

}  // namespace
}  // namespace tutti::recipes
