#include "base/file_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti {
namespace {

TEST(FileLock, ASecondWriterIsToldWhoTheFirstIs) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  {
    const FileLock first(path, "run 'x'");
    EXPECT_TRUE(first.held());
    expect_error([&] { FileLock(path, "run 'x'"); },
                 {text("process ", ::getpid()), "is writing to run 'x'", path.string()});
  }
  EXPECT_TRUE(FileLock(path, "run 'x'").held());
}

TEST(FileLock, EndsWithItsProcessHoweverThatEnds) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock lock(path, "run 'x'");
    if (::write(ready[1], "!", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THROW(FileLock(path, "run 'x'"), Error);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock(path, "run 'x'").held());
}

TEST(FileLock, NamesThePathThatCannotBeWritten) {
  const TemporaryFolder folder;
  expect_error([&] { FileLock(folder.path() / "missing" / "lock", "run 'x'"); },
               {"missing/lock", "No such file or directory"});
}

}  // namespace
}  // namespace tutti
