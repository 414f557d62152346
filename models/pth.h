#pragma once
// Weight files that torch.save wrote (.pth, .pt, .bin): the zip files of torch 1.6 and later, and the older
// kind. Tensors and plain containers only; nothing that a file names is ever run. No torch headers here.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/pickle.h"

namespace tutti::models {

struct PthEntry {
  std::string name;
  StridedTensor tensor;
  std::size_t bytes = 0;  // of all its elements
};

// Whether the file begins as those of torch.save do. False where it cannot be opened.
bool is_pth(const std::filesystem::path& path);

class PthReader {
 public:
  // Opens the file and finds its weights: the mapping of names to tensors that it is, or that it holds under
  // "model", "state_dict" or "model_state_dict", whatever lies beside. Believes nothing: each tensor lies
  // within its storage, each storage within the file. Throws Error that names the path, and the tensor or the
  // entry of the weights that is none.
  explicit PthReader(const std::filesystem::path& path);
  ~PthReader();
  PthReader(PthReader&&) noexcept;
  PthReader& operator=(PthReader&&) noexcept;

  const std::vector<PthEntry>& entries() const { return entries_; }  // in the file's order

  // One tensor's elements in row-major order; `out` has exactly entry.bytes. Throws Error on a failing read.
  // The last storage read is kept: tensors that share one are best read one after another.
  void read(const PthEntry& entry, std::span<std::byte> out) const;

  class Storages;  // where the bytes of storages lie, by key

 private:
  std::unique_ptr<Storages> storages_;
  std::vector<PthEntry> entries_;
};

}  // namespace tutti::models
