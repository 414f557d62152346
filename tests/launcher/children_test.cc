#include "launcher/children.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace tutti {
namespace {

constexpr std::chrono::seconds limit(10);

// A child that starts one of its own, tells its number, and ends or waits.
pid_t start_family(bool parent_ends) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  if (::fork() == 0) {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      ::signal(SIGTERM, SIG_IGN);
      for (;;) ::pause();
    }
    if (::write(ends[1], &grandchild, sizeof grandchild) != sizeof grandchild || parent_ends) ::_exit(0);
    for (;;) ::pause();
  }
  pid_t grandchild = 0;
  EXPECT_EQ(::read(ends[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
  ::close(ends[0]);
  ::close(ends[1]);
  return grandchild;
}

bool is_gone(pid_t process) { return ::kill(process, 0) != 0 && errno == ESRCH; }

TEST(Children, AndWhatTheyLeaveBehindAreEnded) {
  adopt_orphans();
  const pid_t orphan = start_family(/*parent_ends=*/true);
  const pid_t grandchild = start_family(/*parent_ends=*/false);
  EXPECT_FALSE(is_gone(orphan));
  EXPECT_FALSE(is_gone(grandchild));
  EXPECT_EQ(end_children(limit), 0);
  EXPECT_TRUE(is_gone(orphan));
  EXPECT_TRUE(is_gone(grandchild));
}

TEST(Children, StoppedOnesAreEndedToo) {
  adopt_orphans();
  const pid_t orphan = start_family(/*parent_ends=*/true);
  ASSERT_EQ(::kill(orphan, SIGSTOP), 0);
  EXPECT_EQ(end_children(limit), 0);
  EXPECT_TRUE(is_gone(orphan));
}

TEST(Children, NoneIsNoError) { EXPECT_EQ(end_children(limit), 0); }

}  // namespace
}  // namespace tutti
