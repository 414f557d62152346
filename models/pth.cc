#include "models/pth.h"

#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/files.h"

namespace tutti::models {
namespace fs = std::filesystem;
namespace {

// How files begin: a zip file's first entry; the pickle of torch's magic number, 0x1950a86a20f9469cfc6c.
constexpr std::string_view kZip = "PK\x03\x04";
constexpr std::string_view kMagic("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);

constexpr std::string_view kNotReadable = "Save it again with torch.save, or as safetensors.";

[[noreturn]] void refuse(const fs::path& path, std::string_view reason) {
  throw Error(text("cannot read '", path.native(), "'"), reason, kNotReadable);
}

}  // namespace

class PthReader::Storages {
 public:
  Storages() = default;
  Storages(const Storages&) = delete;
  Storages& operator=(const Storages&) = delete;
  virtual ~Storages() = default;
  virtual const PickleValue& top() const = 0;
  // The whole storage, until the next call: tensor.storage_size elements of its dtype. Throws Error when it
  // is not there.
  virtual std::span<const std::byte> read(const StridedTensor& tensor) = 0;
  // Throws Error unless the file holds the storage in full.
  virtual void check(const StridedTensor& tensor) const = 0;
};

namespace {

// More than any file has where the pickle says what cannot be.
std::uint64_t storage_bytes(const StridedTensor& tensor) {
  constexpr std::int64_t kMost = std::int64_t{1} << 48;
  if (tensor.storage_size < 0 || tensor.storage_size > kMost)
    return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(tensor.storage_size) * size_of(tensor.dtype);
}

// NAME/data.pkl, NAME/data/KEY for each storage, all stored as they are.
class ZipStorages final : public PthReader::Storages {
 public:
  explicit ZipStorages(const fs::path& path) : path_(path) {
    int error = 0;
    zip_.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &error));
    if (!zip_) {
      zip_error_t explained;
      zip_error_init_with_code(&explained, error);
      const std::string reason = zip_error_strerror(&explained);
      zip_error_fini(&explained);
      refuse(path, reason);
    }
    for (zip_int64_t i = 0; i < zip_get_num_entries(zip_.get(), 0); ++i) {
      const std::string_view name = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(i), 0);
      if (name.ends_with("/data.pkl"))
        folder_ = name.substr(0, name.size() - std::string_view("data.pkl").size());
    }
    if (folder_.empty()) refuse(path, "it is a zip file without data.pkl");
    if (find(folder_ + "byteorder") && read_entry(folder_ + "byteorder") != "little")
      refuse(path, "its numbers are big-endian");
    pickle_.emplace(read_entry(folder_ + "data.pkl"), path.native());
  }

  const PickleValue& top() const override { return pickle_->top(); }

  std::span<const std::byte> read(const StridedTensor& tensor) override {
    if (const auto name = name_of_storage(tensor); name != last_name_) {
      last_name_.clear();
      last_bytes_.resize(storage_bytes(tensor));
      read_entry(name, last_bytes_);
      last_name_ = name;
    }
    return last_bytes_;
  }

  void check(const StridedTensor& tensor) const override {
    const auto name = name_of_storage(tensor);
    const auto entry = find(name);
    if (!entry) refuse(path_, text("it has no '", name, "'"));
    if (entry->size != storage_bytes(tensor))
      refuse(path_,
             text("'", name, "' has ", entry->size, " bytes, and should have ", storage_bytes(tensor)));
  }

 private:
  struct Close {
    void operator()(zip_t* zip) const { zip_discard(zip); }
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };

  std::string name_of_storage(const StridedTensor& tensor) const {
    return folder_ + "data/" + tensor.storage;
  }

  std::optional<zip_stat_t> find(const std::string& name) const {
    zip_stat_t entry;
    zip_stat_init(&entry);
    if (zip_stat(zip_.get(), name.c_str(), 0, &entry) != 0) return std::nullopt;
    // What is not compressed cannot be larger than the file.
    if (entry.comp_method != ZIP_CM_STORE || entry.size != entry.comp_size)
      refuse(path_, text("'", name, "' is compressed, which torch.save never does"));
    return entry;
  }

  std::string read_entry(const std::string& name) const {
    const auto entry = find(name);
    if (!entry) refuse(path_, text("it has no '", name, "'"));
    std::string bytes(entry->size, '\0');
    read_entry(name, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  // All of it, so that the zip file's own checksum is compared.
  void read_entry(const std::string& name, std::span<std::byte> out) const {
    const std::unique_ptr<zip_file_t, Close> file(zip_fopen(zip_.get(), name.c_str(), 0));
    std::byte more{};
    const bool whole = file && zip_fread(file.get(), out.data(), out.size()) == std::ssize(out) &&
                       zip_fread(file.get(), &more, 1) == 0;
    if (!whole) refuse(path_, text("'", name, "' is damaged or cut off"));
  }

  fs::path path_;
  std::unique_ptr<zip_t, Close> zip_;
  std::string folder_;  // with a slash at its end
  std::optional<Pickle> pickle_;
  std::string last_name_;  // of the entry whose bytes follow
  std::vector<std::byte> last_bytes_;
};

// Before torch 1.6: a magic number, the version, the sizes of C's types, the object, and the storages' keys,
// each a pickle; then each storage as its size in elements and its bytes.
class LegacyStorages final : public PthReader::Storages {
 public:
  explicit LegacyStorages(const fs::path& path) : path_(path), bytes_(read_file(path)) {
    std::size_t at = kMagic.size();
    const auto next = [&] {
      Pickle pickle(std::string_view(bytes_).substr(at), path.native());
      at += pickle.size();
      return pickle;
    };
    const auto version = next();
    if (version.top().integer != 1001)
      refuse(path, text("its version is ", version.top().integer, ", not 1001"));
    next();
    pickle_.emplace(next());
    const auto keys = next();
    for (const auto& value : pickle_->values()) {
      if (value.kind == PickleValue::Kind::storage) sizes_.emplace(value.tensor.storage, value.tensor);
    }
    for (const auto* key : keys.top().elements) {
      const auto known = sizes_.find(key->text);
      if (known == sizes_.end()) refuse(path, text("nothing uses its storage '", key->text, "'"));
      std::int64_t count = 0;
      if (bytes_.size() - at < sizeof count) refuse(path, "it is cut off");
      std::memcpy(&count, bytes_.data() + at, sizeof count);
      at += sizeof count;
      if (count != known->second.storage_size || storage_bytes(known->second) > bytes_.size() - at)
        refuse(path, text("its storage '", key->text, "' is cut off, or of another size"));
      places_[key->text] = {at, storage_bytes(known->second)};
      at += storage_bytes(known->second);
    }
  }

  const PickleValue& top() const override { return pickle_->top(); }

  std::span<const std::byte> read(const StridedTensor& tensor) override {
    const auto [at, size] = places_.at(tensor.storage);
    return std::as_bytes(std::span(bytes_)).subspan(at, size);
  }

  void check(const StridedTensor& tensor) const override {
    const auto place = places_.find(tensor.storage);
    if (place == places_.end() || place->second.size != storage_bytes(tensor))
      refuse(path_, text("it has no storage '", tensor.storage, "' of ", storage_bytes(tensor), " bytes"));
  }

 private:
  struct Place {
    std::size_t at;
    std::size_t size;
  };

  fs::path path_;
  std::string bytes_;
  std::optional<Pickle> pickle_;
  std::map<std::string, StridedTensor> sizes_;
  std::map<std::string, Place> places_;
};

std::string first_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kMagic.size(), '\0');
  file.read(bytes.data(), std::ssize(bytes));
  return bytes;
}

std::unique_ptr<PthReader::Storages> open_storages(const fs::path& path) {
  const auto bytes = first_bytes(path);
  if (bytes == kMagic) return std::make_unique<LegacyStorages>(path);
  if (bytes.starts_with(kZip)) return std::make_unique<ZipStorages>(path);
  refuse(path, "it is no file of torch.save: neither a zip file nor of the older kind");
}

bool holds_tensors(const PickleValue& value) {
  if (value.kind != PickleValue::Kind::mapping) return false;
  for (std::size_t i = 1; i < value.elements.size(); i += 2) {
    if (value.elements[i]->kind == PickleValue::Kind::tensor) return true;
  }
  return false;
}

const PickleValue* find_weights(const PickleValue* top, const fs::path& path) {
  if (holds_tensors(*top)) return top;
  if (top->kind != PickleValue::Kind::mapping)
    refuse(path,
           top->kind == PickleValue::Kind::opaque ? text("it holds a ", top->text) : "it holds no mapping");
  std::string keys;
  for (std::size_t i = 0; i < top->elements.size(); i += 2) {
    const auto& key = top->elements[i]->text;
    if ((key == "model" || key == "state_dict" || key == "model_state_dict") &&
        holds_tensors(*top->elements[i + 1]))
      return top->elements[i + 1];
    keys += text(i > 0 ? ", '" : "'", key, "'");
  }
  refuse(path, text("no mapping of names to tensors is in it, nor under 'model', 'state_dict' or "
                    "'model_state_dict'; its keys: ",
                    keys));
}

// -1: more than can be. Where one size is 0 no product of the others may overflow either.
std::int64_t element_count(const StridedTensor& tensor) {
  std::int64_t count = 1;
  bool empty = false;
  for (const auto size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(count, std::max<std::int64_t>(size, 1), &count)) return -1;
    empty = empty || size == 0;
  }
  return empty ? 0 : count;
}

// Why the tensor does not lie within its storage; empty where it does.
std::string complaint(const StridedTensor& tensor) {
  if (tensor.shape.size() != tensor.strides.size())
    return text(tensor.shape.size(), " sizes and ", tensor.strides.size(), " strides");
  const auto count = element_count(tensor);
  if (count < 0 || count > tensor.storage_size) return "it takes more elements than its storage has";
  std::int64_t end = tensor.offset;  // one past the last element
  bool sound = tensor.offset >= 0 && !__builtin_add_overflow(end, count > 0 ? 1 : 0, &end);
  for (std::size_t d = 0; d < tensor.shape.size() && count > 0; ++d) {
    std::int64_t step = 0;
    sound = sound && tensor.strides[d] >= 0 &&
            !__builtin_mul_overflow(tensor.shape[d] - 1, tensor.strides[d], &step) &&
            !__builtin_add_overflow(end, step, &end);
  }
  return sound && end <= tensor.storage_size ? "" : "it lies outside its storage";
}

// Copies the elements from `at` on, dimension by dimension.
void gather(const StridedTensor& tensor, std::span<const std::byte> storage, std::size_t dimension,
            std::int64_t at, std::span<std::byte>& out) {
  const auto width = size_of(tensor.dtype);
  if (dimension == tensor.shape.size()) {
    std::ranges::copy(storage.subspan(static_cast<std::size_t>(at) * width, width), out.begin());
    out = out.subspan(width);
    return;
  }
  for (std::int64_t i = 0; i < tensor.shape[dimension]; ++i)
    gather(tensor, storage, dimension + 1, at + i * tensor.strides[dimension], out);
}

bool is_contiguous(const StridedTensor& tensor) {
  std::int64_t expected = 1;
  for (std::size_t d = tensor.shape.size(); d-- > 0;) {
    if (tensor.shape[d] != 1 && tensor.strides[d] != expected) return false;
    expected *= tensor.shape[d];
  }
  return true;
}

}  // namespace

bool is_pth(const fs::path& path) {
  const auto bytes = first_bytes(path);
  return bytes == kMagic || bytes.starts_with(kZip);
}

PthReader::PthReader(const fs::path& path) : storages_(open_storages(path)) {
  const PickleValue& weights = *find_weights(&storages_->top(), path);
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < weights.elements.size(); i += 2) {
    const auto& key = *weights.elements[i];
    const auto& value = *weights.elements[i + 1];
    if (key.kind != PickleValue::Kind::text) refuse(path, "a key of its weights is no text");
    if (value.kind != PickleValue::Kind::tensor) {
      refuse(path, text("'", key.text, "' is no tensor",
                        value.kind == PickleValue::Kind::opaque ? text(", but a ", value.text) : ""));
    }
    if (!names.insert(key.text).second) refuse(path, text("'", key.text, "' is there twice"));
    if (const auto wrong = complaint(value.tensor); !wrong.empty())
      refuse(path, text("tensor '", key.text, "' is impossible: ", wrong));
    storages_->check(value.tensor);
    const auto bytes = static_cast<std::size_t>(element_count(value.tensor)) * size_of(value.tensor.dtype);
    entries_.push_back({key.text, value.tensor, bytes});
  }
}

PthReader::~PthReader() = default;
PthReader::PthReader(PthReader&&) noexcept = default;
PthReader& PthReader::operator=(PthReader&&) noexcept = default;

void PthReader::read(const PthEntry& entry, std::span<std::byte> out) const {
  const auto& tensor = entry.tensor;
  if (out.size() != entry.bytes)
    throw Error(text("'", entry.name, "' has ", entry.bytes, " bytes, and room is given for ", out.size()));
  if (out.empty()) return;
  const auto storage = storages_->read(tensor);
  const auto width = size_of(tensor.dtype);
  if (is_contiguous(tensor)) {
    std::ranges::copy(storage.subspan(static_cast<std::size_t>(tensor.offset) * width, out.size()),
                      out.begin());
  } else {
    gather(tensor, storage, 0, tensor.offset, out);
  }
}

}  // namespace tutti::models
