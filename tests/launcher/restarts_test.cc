#include "launcher/restarts.h"

#include <gtest/gtest.h>

#include <csignal>

#include "launcher/exit_codes.h"

namespace tutti {
namespace {

TEST(Restarts, AreForHungLostAndKilledRanksAlone) {
  for (const int code : {76, 205, 128 + SIGKILL, 128 + SIGSEGV, 128 + SIGABRT, 128 + SIGBUS}) {
    EXPECT_TRUE(worth_a_restart(code)) << code;
  }
  for (const int code : {0, 1, 2, 75, 77, 127, 128, 213, 255}) EXPECT_FALSE(worth_a_restart(code)) << code;
}

TEST(Restarts, WaitTwiceAsLongEachTimeUpToAMinute) {
  const RestartOptions options{.most = 100, .backoff = 1.5};
  EXPECT_DOUBLE_EQ(backoff_seconds(options, 1), 1.5);
  EXPECT_DOUBLE_EQ(backoff_seconds(options, 2), 3);
  EXPECT_DOUBLE_EQ(backoff_seconds(options, 6), 48);
  EXPECT_DOUBLE_EQ(backoff_seconds(options, 7), 60);
  EXPECT_DOUBLE_EQ(backoff_seconds(options, 1000000), 60);
  EXPECT_DOUBLE_EQ(backoff_seconds({.backoff = 0}, 1000000), 0);
  EXPECT_DOUBLE_EQ(backoff_seconds({.backoff = 300}, 1), 300);
  EXPECT_DOUBLE_EQ(backoff_seconds({.backoff = 300}, 9), 300);
}

TEST(Restarts, AreCounted) {
  const RestartOptions options{.most = 2};
  EXPECT_TRUE(judge(options, 137, 0, false).restart);
  EXPECT_TRUE(judge(options, 76, 1, false).restart);
  EXPECT_FALSE(judge(options, 137, 2, false).restart);
  EXPECT_EQ(judge(options, 137, 2, false).code, 137);
  EXPECT_FALSE(judge({}, 137, 0, false).restart);
}

TEST(Restarts, LeaveOtherCodesAsTheyAre) {
  for (const int code : {0, 1, 2, 75}) {
    for (const bool stop_asked : {false, true}) {
      const NextMove verdict = judge({.most = 9}, code, 0, stop_asked);
      EXPECT_FALSE(verdict.restart) << code;
      EXPECT_EQ(verdict.code, code);
    }
  }
}

TEST(Restarts, AreLeftToTheBatchScriptWhenASignalAskedToStop) {
  EXPECT_EQ(judge({.most = 1}, 137, 0, true).code, kStoppedBySignal);
  EXPECT_FALSE(judge({.most = 1}, 137, 0, true).restart);
  EXPECT_EQ(judge({.most = 1}, 137, 1, true).code, 137) << "no restart was left";
  EXPECT_EQ(judge({}, 76, 0, true).code, 76);
  EXPECT_EQ(judge({}, 128 + SIGUSR1, 0, true).code, kStoppedBySignal) << "the signal itself, before training";
  EXPECT_EQ(judge({}, 128 + SIGUSR1, 0, false).code, 128 + SIGUSR1);
}

TEST(Restarts, EndALostNodeWithACodeOfOurs) {
  EXPECT_EQ(judge({}, kNodeLost, 0, false).code, kHungOrVanished);
}

TEST(Restarts, SayWhatBecameOfTheJob) {
  EXPECT_NE(explain_code(137).find("signal 9 (Killed)"), std::string::npos) << explain_code(137);
  EXPECT_NE(explain_code(76).find("76"), std::string::npos);
  EXPECT_NE(explain_code(205).find("node"), std::string::npos);
  EXPECT_NE(explain_code(1).find('1'), std::string::npos);
}

}  // namespace
}  // namespace tutti
