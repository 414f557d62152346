#pragma once
// One writer at a time.

#include <chrono>
#include <filesystem>
#include <string>

#include "base/descriptor.h"
#include "base/error.h"

namespace tutti {

// Another process has the lock.
class LockHeld : public Error {
 public:
  using Error::Error;
};

// Holds an advisory lock (flock) on a file while it lives; the system lets go of it when the process ends,
// however it ends. The file names the holder, and stays.
class FileLock {
 public:
  // Makes the file where it is missing. `what` is what it guards, for the message. Throws LockHeld that names
  // the holder when another process has the lock, or Error with the path when the file cannot be written. A
  // holder on another host may be lost with it: so long is it waited for, until the file system knows. On a
  // file system without locks (some parallel ones are mounted so) it guards nothing: held() is false then.
  FileLock(const std::filesystem::path& path, const std::string& what,
           std::chrono::seconds patience = std::chrono::seconds(0));

  bool held() const { return held_; }

 private:
  Descriptor file_;
  bool held_ = false;
};

}  // namespace tutti
