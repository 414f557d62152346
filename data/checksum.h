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

// Of a whole file. Throws Error that names the path when it cannot be read.
std::uint64_t xxh3_file(const std::filesystem::path& path);

// Of bytes that come in pieces: the same value as over all of them at once.
class Xxh3Stream {
 public:
  Xxh3Stream();
  Xxh3Stream(Xxh3Stream&&) noexcept;
  Xxh3Stream& operator=(Xxh3Stream&&) noexcept;
  ~Xxh3Stream();

  void update(std::span<const std::byte> bytes);
  std::uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// As 16 hexadecimal digits: JSON numbers do not hold 64 bits everywhere.
std::string hex(std::uint64_t checksum);

}  // namespace tutti::data
