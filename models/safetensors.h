#pragma once
// Weight files in the safetensors format (https://huggingface.co/docs/safetensors, "Format"):
// 8 bytes with the header's length (little-endian), a JSON header, the tensors' bytes without holes.
// No torch headers here; models/weights.h joins this to tensors.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::models {

// In the reference writer's order, which lays tensors out by falling dtype: so 8-byte numbers come
// first and every tensor is aligned to its own size.
enum class DType { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

std::size_t size_of(DType dtype);
std::string_view name_of(DType dtype);  // as in the file: "F32"

struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // bytes, from the start of the data
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// Reads the JSON text of a header, believing nothing: names are unique, dtypes known, shapes agree with
// sizes, and the tensors tile [0, data_bytes) without overlap or hole. `source` (a path) begins each
// message. Throws Error that names source and tensor.
SafetensorsHeader parse_header(std::string_view json, std::uint64_t data_bytes, std::string_view source);

class SafetensorsReader {
 public:
  // Opens the file and reads and checks its header. Throws Error that names path and tensor.
  explicit SafetensorsReader(const std::filesystem::path& path);
  ~SafetensorsReader();
  SafetensorsReader(SafetensorsReader&&) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&&) noexcept;

  const SafetensorsHeader& header() const;

  // Copies one tensor's bytes; out has exactly end - begin bytes. Throws Error on a failing read or a
  // file that has shrunk.
  void read(const TensorEntry& entry, std::span<std::byte> out) const;

 private:
  struct File;
  std::unique_ptr<File> file_;
};

struct TensorBytes {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

// Writes the file and syncs it; a reader may see a torn file until this returns (base/files.h). Tensors
// are laid out by falling dtype, then by name, as the reference writer does: the bytes of the file
// depend on what it holds, not on the order given. Throws Error for a name given twice, bytes that do
// not fit the shape, or text that is not UTF-8.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorBytes> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace tutti::models
