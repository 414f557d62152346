#pragma once
// XXH3-64 checksums (libxxhash): faster than memory, so that every byte that is read can be checked.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace tutti::data {

std::uint64_t xxh3(std::span<const std::byte> bytes);

// Of bytes that come in pieces: the same value as over all of them at once.
class Xxh3Stream {
 public:
  Xxh3Stream();
  void update(std::span<const std::byte> bytes);
  std::uint64_t digest() const;

 private:
  struct Free {
    void operator()(void* state) const;
  };
  std::unique_ptr<void, Free> state_;
};

// Of a file without its bytes [begin, end): by default of all of it. Throws Error that names the path
// when it cannot be read.
std::uint64_t xxh3_file(const std::filesystem::path& path, std::int64_t begin = 0, std::int64_t end = 0);

// As 16 hexadecimal digits: JSON numbers do not hold 64 bits everywhere.
std::string hex(std::uint64_t checksum);

}  // namespace tutti::data
