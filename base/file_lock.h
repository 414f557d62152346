#pragma once
// One writer at a time.

#include <filesystem>
#include <string>

#include "base/descriptor.h"

namespace tutti {

// Holds an advisory lock (flock) on a file while it lives; the system lets go of it when the process ends,
// however it ends. The file names the holder, and stays.
class FileLock {
 public:
  // Makes the file where it is missing. `what` is what it guards, for the message. Throws Error that names
  // the holder when another process has the lock, or the path when the file cannot be written. On a file
  // system without locks (some parallel ones are mounted so) it guards nothing: held() is false then.
  FileLock(const std::filesystem::path& path, const std::string& what);

  bool held() const { return held_; }

 private:
  Descriptor file_;
  bool held_ = false;
};

}  // namespace tutti
