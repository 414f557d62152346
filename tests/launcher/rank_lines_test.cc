#include "launcher/rank_lines.h"

#include <gtest/gtest.h>

namespace tutti {
namespace {

TEST(RankLines, TagsBecomeShortPrefixes) {
  RankLines lines;
  EXPECT_EQ(lines.convert("[1,0]<stdout>:hello\n[1,12]<stderr>:world\n"), "[0] hello\n[12] world\n");
}

TEST(RankLines, ATagMayComeInPieces) {
  RankLines lines;
  EXPECT_EQ(lines.convert("[1,"), "");
  EXPECT_EQ(lines.convert("3]<stderr"), "");
  EXPECT_EQ(lines.convert(">:x\n"), "[3] x\n");
}

TEST(RankLines, OtherLinesStayAsTheyAre) {
  RankLines lines;
  EXPECT_EQ(lines.convert("mpirun says\n[not a tag] but text\n[1,2]x\n"),
            "mpirun says\n[not a tag] but text\n[1,2]x\n");
}

TEST(RankLines, AProgressLineKeepsItsRank) {
  RankLines lines;
  EXPECT_EQ(lines.convert("[1,0]<stderr>:\rstep 1\rstep 2\n[1,1]<stderr>:a\n"),
            "[0] \r[0] step 1\r[0] step 2\n[1] a\n");
}

}  // namespace
}  // namespace tutti
