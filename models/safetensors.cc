#include "models/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/files.h"

namespace tutti::models {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian");

// As in the reference implementation: no header of a real model comes near.
constexpr std::uint64_t longest_header = 100'000'000;

constexpr std::size_t alignment = 8;

std::string header_text(std::span<const TensorBytes> tensors,
                        const std::map<std::string, std::string>& metadata,
                        const std::filesystem::path& path) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    const std::uint64_t end = offset + tensor.bytes.size();
    header[tensor.name] = {
        {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string result;
  try {
    result = header.dump();
  } catch (const nlohmann::json::exception& error) {
    throw Error(text("cannot write '", path.native(), "'"),
                text("a tensor's name or the metadata are not UTF-8: ", error.what()));
  }
  result.resize((result.size() + alignment - 1) / alignment * alignment, ' ');
  return result;
}

void check(std::span<const TensorBytes> tensors, const std::filesystem::path& path) {
  std::set<std::string_view> names = {"__metadata__"};
  for (const auto& tensor : tensors) {
    std::uint64_t bytes = size_of(tensor.dtype);
    for (const auto extent : tensor.shape) bytes *= static_cast<std::uint64_t>(extent);
    std::string reason;
    if (!names.insert(tensor.name).second) reason = "the name is taken";
    if (bytes != tensor.bytes.size()) {
      reason = text("its shape takes ", bytes, " bytes and ", tensor.bytes.size(), " were given");
    }
    if (!reason.empty()) {
      throw Error(text("cannot write tensor '", tensor.name, "' to '", path.native(), "'"), reason);
    }
  }
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

struct SafetensorsReader::File {
  explicit File(const std::filesystem::path& path_)
      : path(path_.native()), descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor < 0) throw file_error("read", path, errno);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::close(descriptor); }

  std::uint64_t size() const {
    struct stat status {};
    if (::fstat(descriptor, &status) != 0) throw file_error("read", path, errno);
    if (!S_ISREG(status.st_mode)) throw Error(text("cannot read '", path, "'"), "it is not a regular file");
    return static_cast<std::uint64_t>(status.st_size);
  }

  void read_at(std::uint64_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
      const ssize_t count = ::pread(descriptor, out.data(), out.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw file_error("read", path, errno);
      if (count == 0) throw Error(text("cannot read '", path, "'"), text("it ends at byte ", offset));
      offset += static_cast<std::uint64_t>(count);
      out = out.subspan(static_cast<std::size_t>(count));
    }
  }

  std::string path;
  int descriptor;
  std::uint64_t data_begin = 0;
  SafetensorsHeader header;
};

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path)
    : file_(std::make_unique<File>(path)) {
  constexpr std::uint64_t prefix = sizeof(std::uint64_t);
  const auto size = file_->size();
  std::uint64_t length = 0;
  if (size >= prefix) file_->read_at(0, std::as_writable_bytes(std::span(&length, 1)));
  if (size < prefix || length > longest_header || length > size - prefix) {
    throw Error(text("'", file_->path, "' is not a safetensors file"),
                text("it has ", size, " bytes, and its header would have ", length),
                "tutti reads safetensors, and files of torch.save");
  }
  std::string json(length, '\0');
  file_->read_at(prefix, std::as_writable_bytes(std::span(json)));
  file_->data_begin = prefix + length;
  file_->header = parse_header(json, size - file_->data_begin, file_->path);
}

SafetensorsReader::~SafetensorsReader() = default;
SafetensorsReader::SafetensorsReader(SafetensorsReader&&) noexcept = default;
SafetensorsReader& SafetensorsReader::operator=(SafetensorsReader&&) noexcept = default;

const SafetensorsHeader& SafetensorsReader::header() const { return file_->header; }

void SafetensorsReader::read(const TensorEntry& entry, std::span<std::byte> out) const {
  if (out.size() != entry.end - entry.begin) {
    throw Error(text("cannot read tensor '", entry.name, "' of '", file_->path, "'"),
                text("it has ", entry.end - entry.begin, " bytes, and room for ", out.size(), " was given"));
  }
  file_->read_at(file_->data_begin + entry.begin, out);
}

void write_safetensors(const std::filesystem::path& path, std::vector<TensorBytes> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::ranges::sort(tensors, [](const TensorBytes& a, const TensorBytes& b) {
    return std::tie(b.dtype, a.name) < std::tie(a.dtype, b.name);
  });
  check(tensors, path);
  const auto header = header_text(tensors, metadata, path);
  const std::array<std::uint64_t, 1> length = {header.size()};

  std::vector<std::string_view> parts = {as_text(std::as_bytes(std::span(length))), header};
  for (const auto& tensor : tensors) parts.push_back(as_text(tensor.bytes));
  write_file(path, parts);
}

}  // namespace tutti::models
