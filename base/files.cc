#include "base/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/descriptor.h"
#include "base/error.h"

namespace tutti {
namespace {

// A close that fails after fsync loses nothing.
Descriptor open_file(const std::filesystem::path& path, int flags, std::string_view action) {
  Descriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0666));
  if (file.get() < 0) throw file_error(action, path.native(), errno);
  return file;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  const auto file = open_file(path, O_RDONLY, "read");
  std::string bytes;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count == 0) return bytes;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw file_error("read", path.native(), errno);
    bytes.append(buffer, static_cast<std::size_t>(count));
  }
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  write_file(path, std::span(&bytes, 1));
}

void write_file(const std::filesystem::path& path, std::span<const std::string_view> parts) {
  const auto file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, "write");
  for (std::string_view bytes : parts) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw file_error("write", path.native(), errno);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  if (::fsync(file.get()) != 0) throw file_error("write", path.native(), errno);
}

void sync_path(const std::filesystem::path& path) {
  const auto file = open_file(path, O_RDONLY, "sync");
  if (::fsync(file.get()) != 0) throw file_error("sync", path.native(), errno);
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    throw file_error(text("rename '", from.native(), "' to"), to.native(), errno);
  }
  sync_path(to.has_parent_path() ? to.parent_path() : ".");
}

void replace_file(const std::filesystem::path& path, std::string_view bytes) {
  auto beside = path;
  beside += ".writing";
  write_file(beside, bytes);
  rename_durably(beside, path);
}

void make_folder(const std::filesystem::path& path,
                 const std::function<void(const std::filesystem::path&)>& fill) {
  namespace fs = std::filesystem;
  if (fs::exists(path))
    throw Error(text("'", path.native(), "' is there already"), "", "Give another folder, or remove it.");
  auto beside = path;
  beside += ".writing";
  fs::remove_all(beside);
  fs::create_directories(beside);
  try {
    fill(beside);
    sync_path(beside);
    rename_durably(beside, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(beside, ignored);
    throw;
  }
}

}  // namespace tutti
