#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"

namespace tutti {
namespace {

std::string this_process() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return text("process ", ::getpid(), " on ", host.data(), '\n');
}

std::string holder(int descriptor) {
  std::array<char, 512> words{};
  const auto count = ::pread(descriptor, words.data(), words.size() - 1, 0);
  const std::string line(words.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  return line.empty() ? "another process" : line.substr(0, line.find('\n'));
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path, const std::string& what)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (file_.get() < 0) throw file_error("open", path.native(), errno);
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) {
    held_ = true;
    const std::string line = this_process();
    // A full disk costs the holder's name alone.
    if (::ftruncate(file_.get(), 0) == 0 && ::pwrite(file_.get(), line.data(), line.size(), 0) < 0) return;
  } else if (errno == EWOULDBLOCK) {
    throw Error(text(holder(file_.get()), " is writing to ", what),
                text("it holds the lock '", path.native(), "'"),
                "Wait for it to end or stop it, or write elsewhere.");
  }
}

}  // namespace tutti
