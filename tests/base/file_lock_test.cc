#include "base/file_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include "base/files.h"
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
    try {
      const FileLock lock(path, "run 'x'");
      if (::write(ready[1], "!", 1) == 1) ::pause();
    } catch (const Error&) {
      ::_exit(2);  // the parent then reads nothing
    }
    ::_exit(1);
  }
  ::close(ready[1]);
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THROW(FileLock(path, "run 'x'"), LockHeld);
  ::close(ready[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock(path, "run 'x'").held());
}

// What a lock file looks like whose holder's host is lost, until the file system lets go of it.
TEST(FileLock, WaitsForAHolderOnAnotherHost) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  std::optional<FileLock> lost(std::in_place, path, "run 'x'");
  const auto seconds = [&] {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THROW(FileLock(path, "run 'x'", std::chrono::seconds(1)), LockHeld);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  EXPECT_LT(seconds(), 0.5) << "this host knows its processes";
  write_file(path, "process 1 on another.example\n");
  EXPECT_GE(seconds(), 1);
  std::jthread let_go([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    lost.reset();
  });
  EXPECT_TRUE(FileLock(path, "run 'x'", std::chrono::seconds(60)).held());
}

TEST(FileLock, NamesThePathThatCannotBeWritten) {
  const TemporaryFolder folder;
  expect_error([&] { FileLock(folder.path() / "missing" / "lock", "run 'x'"); },
               {"missing/lock", "No such file or directory"});
}

}  // namespace
}  // namespace tutti
