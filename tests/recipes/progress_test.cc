#include "recipes/progress.h"

#include <gtest/gtest.h>

#include <sstream>
#include <thread>

namespace tutti::recipes {
namespace {

TEST(Progress, DurationsReadAsClocks) {
  EXPECT_EQ(format_duration(5), "0:05");
  EXPECT_EQ(format_duration(245), "4:05");
  EXPECT_EQ(format_duration(3723), "1:02:03");
}

TEST(Progress, RewritesOneLineOnATerminal) {
  std::ostringstream out;
  Progress progress({{}, &out, true}, "steps", 10);
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  progress.update(5, "epoch 1/2");
  EXPECT_TRUE(out.str().starts_with("\repoch 1/2  5/10 steps")) << out.str();
  EXPECT_EQ(out.str().find('\n'), std::string::npos);
  progress.clear();
  EXPECT_TRUE(out.str().ends_with("\r\x1b[K"));
}

TEST(Progress, IsSparingElsewhereAndSilentWithoutAPlace) {
  std::ostringstream out;
  Progress file({{}, &out, false}, "steps", 10);
  for (int i = 0; i < 10; ++i) file.update(i, "");
  EXPECT_EQ(out.str(), "");
  Progress nowhere({}, "steps", 10);
  nowhere.update(3, "");
  nowhere.clear();
}

}  // namespace
}  // namespace tutti::recipes
