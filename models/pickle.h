#pragma once
// Python's pickle format (protocols 2 to 5), for the tensors in .pth files. Nothing that a file names is ever
// run: plain containers, numbers, text and tensors become values, anything else a value that is opaque.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/safetensors.h"

namespace tutti::models {

// A tensor's place in a storage, in elements.
struct StridedTensor {
  std::string storage{};  // its key
  DType dtype = DType::f32;
  std::int64_t storage_size = 0;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape{};
  std::vector<std::int64_t> strides{};
};

struct PickleValue {
  enum class Kind {
    none,
    boolean,
    integer,
    number,
    text,
    sequence,
    mapping,
    global,
    storage,
    tensor,
    opaque
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  // also of a boolean
  double number = 0;
  std::string text;                          // also the name "module.name" of a global, and of what is opaque
  std::vector<const PickleValue*> elements;  // of a sequence; of a mapping, key and value in turn
  StridedTensor tensor;                      // also of a storage, where only its first three are set
};

// What one pickle holds. Values may refer to each other, and to themselves.
class Pickle {
 public:
  // Reads the pickle that `bytes` begin with. `source` (a path) begins each message. Throws Error for what is
  // no pickle, is cut off, takes from an empty stack, or whose values take more than 400 MB.
  Pickle(std::string_view bytes, std::string_view source);

  const PickleValue& top() const { return *top_; }
  std::size_t size() const { return size_; }                         // bytes that the pickle takes
  const std::deque<PickleValue>& values() const { return values_; }  // all that occur, however deep

 private:
  std::deque<PickleValue> values_;  // owns them all: they may form circles
  const PickleValue* top_ = nullptr;
  std::size_t size_ = 0;

  friend class PickleMachine;
};

}  // namespace tutti::models
