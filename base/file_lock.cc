#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "base/error.h"

namespace tutti {
namespace {

std::string this_host() {
  std::array<char, 256> host{};
  return ::gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "";
}

std::string holder(int descriptor) {
  std::array<char, 512> words{};
  const auto count = ::pread(descriptor, words.data(), words.size() - 1, 0);
  const std::string line(words.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  return line.empty() ? "another process" : line.substr(0, line.find('\n'));
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path, const std::string& what, std::chrono::seconds patience)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (file_.get() < 0) throw file_error("open", path.native(), errno);
  const auto here = text(" on ", this_host());
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return;
    const auto other = holder(file_.get());
    if (other.ends_with(here) || std::chrono::steady_clock::now() >= deadline) {
      throw LockHeld(text(other, " is writing to ", what), text("it holds the lock '", path.native(), "'"),
                     "Wait for it to end or stop it, or write elsewhere.");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  held_ = true;
  const auto line = text("process ", ::getpid(), here, '\n');
  // A full disk costs the holder's name alone.
  if (::ftruncate(file_.get(), 0) == 0 && ::pwrite(file_.get(), line.data(), line.size(), 0) < 0) return;
}

}  // namespace tutti
