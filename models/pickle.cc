#include "models/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "base/error.h"

namespace tutti::models {
namespace {

using Kind = PickleValue::Kind;

// Bytes of all values. Weight files have thousands of values; by repeating what it has kept, a small hostile
// file could ask for any amount.
constexpr std::size_t kMostMemory = 400'000'000;
constexpr std::size_t kMostDimensions = 16;

// torch's storage classes, as torch.save writes them.
using StorageDtype = std::pair<std::string_view, DType>;
constexpr std::array<StorageDtype, 10> storage_dtypes = {{
    {"torch.FloatStorage", DType::f32},
    {"torch.HalfStorage", DType::f16},
    {"torch.BFloat16Storage", DType::bf16},
    {"torch.DoubleStorage", DType::f64},
    {"torch.LongStorage", DType::i64},
    {"torch.IntStorage", DType::i32},
    {"torch.ShortStorage", DType::i16},
    {"torch.CharStorage", DType::i8},
    {"torch.ByteStorage", DType::u8},
    {"torch.BoolStorage", DType::boolean},
}};

}  // namespace

// The stack machine of pickletools.py. The opcodes that only pickles by hand hold (protocol 0) are not known.
class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, std::string_view bytes, std::string_view source)
      : pickle_(pickle), bytes_(bytes), source_(source) {}

  void run() {
    while (step()) {
    }
    pickle_.top_ = pop();
    pickle_.size_ = at_;
  }

 private:
  using Value = PickleValue;
  using List = std::vector<const Value*>;

  [[noreturn]] void refuse(std::string_view reason) const {
    throw Error(text("'", source_, "' holds no pickle that tutti reads"), text(reason, ", at byte ", at_));
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) refuse("it is cut off");
    const auto part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  template <class T>
  T number() {
    static_assert(std::endian::native == std::endian::little);
    T value;
    const auto part = take(sizeof value);
    std::memcpy(&value, part.data(), part.size());
    return value;
  }
  std::string_view line() {
    const auto end = bytes_.find('\n', at_);
    if (end == bytes_.npos) refuse("it is cut off");
    const auto part = take(end - at_);
    take(1);
    return part;
  }

  void account(std::size_t bytes) {
    memory_ += bytes;
    if (memory_ > kMostMemory) refuse(text("its values take more than ", kMostMemory / 1'000'000, " MB"));
  }
  Value* push(Kind kind, std::string_view string = {}) {
    account(sizeof(Value) + string.size());
    Value& value = pickle_.values_.emplace_back();
    value.kind = kind;
    value.text = string;
    stack_.push_back(&value);
    return &value;
  }
  void push_integer(std::int64_t integer, Kind kind = Kind::integer) { push(kind)->integer = integer; }
  void push_list(List list) {
    account(list.size() * sizeof(void*));
    push(Kind::sequence)->elements = std::move(list);
  }
  void push_tensor(StridedTensor tensor, Kind kind = Kind::tensor) {
    account(tensor.storage.size() + 2 * kMostDimensions * sizeof(std::int64_t));
    push(kind)->tensor = std::move(tensor);
  }

  std::size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }
  Value* pop() {
    if (stack_.size() <= bottom()) refuse("it takes from an empty stack");
    Value* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  Value* last() {
    if (stack_.size() <= bottom()) refuse("it looks at an empty stack");
    return stack_.back();
  }
  List pop_to_mark() {
    if (marks_.empty()) refuse("it has no mark");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    List list(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return list;
  }
  List pop_some(std::size_t count) {
    List list(count);
    for (auto place = list.rbegin(); place != list.rend(); ++place) *place = pop();
    return list;
  }

  // Adds to a list, set or mapping; what is opaque swallows it.
  void extend(const List& list, Kind kind) {
    Value* onto = last();
    if (onto->kind == Kind::opaque) return;
    if (onto->kind != kind) refuse("it adds to what is no container of this kind");
    if (kind == Kind::mapping && list.size() % 2 != 0) refuse("a key has no value");
    account(list.size() * sizeof(void*));
    onto->elements.insert(onto->elements.end(), list.begin(), list.end());
  }

  void remember(std::uint64_t place) { memo_[place] = last(); }
  void recall(std::uint64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) refuse("it recalls what it has not kept");
    stack_.push_back(found->second);
  }

  void push_global(std::string_view module, std::string_view name) {
    push(Kind::global, text(module, '.', name));
  }

  // torch's own classes and functions by what they mean; every other is opaque, and is not run.
  void reduce() {
    const Value* arguments = pop();
    const Value* function = pop();
    const auto& list = arguments->elements;
    const auto name = function->kind == Kind::global ? std::string_view(function->text) : "";
    if (name == "collections.OrderedDict" && list.empty()) {
      push(Kind::mapping);
    } else if (rebuilds_tensor(name) && !list.empty() && list[0]->kind == Kind::storage) {
      push_tensor(rebuild(list));
    } else if (name == "torch._utils._rebuild_parameter" && !list.empty() && list[0]->kind == Kind::tensor) {
      push_tensor(list[0]->tensor);
    } else if (name == "torch.Size" && list.size() == 1) {
      push_list(list[0]->elements);
    } else {
      const bool of_tensor = rebuilds_tensor(name) && !list.empty();
      push(Kind::opaque, of_tensor ? list[0]->text : function->text);
    }
  }

  static bool rebuilds_tensor(std::string_view function) {
    return function == "torch._utils._rebuild_tensor_v2" || function == "torch._utils._rebuild_tensor";
  }

  StridedTensor rebuild(const List& list) const {
    if (list.size() < 4) refuse("a tensor has no shape");
    StridedTensor tensor = list[0]->tensor;
    tensor.offset = integer(list[1]);
    tensor.shape = integers(list[2]);
    tensor.strides = integers(list[3]);
    return tensor;
  }
  std::int64_t integer(const Value* value) const {
    if (value->kind != Kind::integer) refuse("a tensor's place is no integer");
    return value->integer;
  }
  std::vector<std::int64_t> integers(const Value* value) const {
    if (value->kind != Kind::sequence) refuse("a tensor's shape is no list");
    if (value->elements.size() > kMostDimensions)
      refuse(text("a tensor has more than ", kMostDimensions, " dimensions"));
    std::vector<std::int64_t> result;
    for (const auto* element : value->elements) result.push_back(integer(element));
    return result;
  }

  // ("storage", torch.FloatStorage, key, location, size), and in old files a view of it.
  void persistent() {
    const Value* id = pop();
    const auto& list = id->elements;
    const bool sound = list.size() >= 5 && list[0]->text == "storage" && list[1]->kind == Kind::global &&
                       list[2]->kind == Kind::text && list[4]->kind == Kind::integer;
    if (!sound) refuse("a storage is not described as torch does");
    if (list.size() > 5 && list[5]->kind != Kind::none) refuse("a storage is a view of another");
    const std::string_view type = list[1]->text;
    const auto known = std::ranges::find(storage_dtypes, type, &StorageDtype::first);
    if (known == storage_dtypes.end()) {
      push(Kind::opaque, type);
      return;
    }
    push_tensor({.storage = list[2]->text, .dtype = known->second, .storage_size = list[4]->integer},
                Kind::storage);
  }

  // Little-endian two's complement of any length; beyond 64 bits it is nothing that tutti needs.
  void push_long(std::string_view digits) {
    if (digits.size() > 8) {
      push(Kind::opaque, "int");
      return;
    }
    std::uint64_t value = !digits.empty() && (digits.back() & 0x80) ? ~std::uint64_t{0} : 0;
    std::memcpy(&value, digits.data(), digits.size());
    push_integer(static_cast<std::int64_t>(value));
  }

  double big_endian_double() {
    std::uint64_t bits = 0;
    for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
    return std::bit_cast<double>(bits);
  }

  // One opcode; false after the last.
  bool step() {
    const auto opcode = take(1)[0];
    switch (opcode) {
      case '\x80':  // PROTO
        take(1);
        break;
      case '\x95':  // FRAME
        take(8);
        break;
      case '.':  // STOP
        return false;
      case 'N':
        push(Kind::none);
        break;
      case '\x88':
        push_integer(1, Kind::boolean);
        break;
      case '\x89':
        push_integer(0, Kind::boolean);
        break;
      case 'J':  // BININT and its short forms
        push_integer(number<std::int32_t>());
        break;
      case 'K':
        push_integer(number<std::uint8_t>());
        break;
      case 'M':
        push_integer(number<std::uint16_t>());
        break;
      case '\x8a':  // LONG1, LONG4
        push_long(take(number<std::uint8_t>()));
        break;
      case '\x8b':
        push_long(take(number<std::uint32_t>()));
        break;
      case 'G':
        push(Kind::number)->number = big_endian_double();
        break;
      case 'X':  // BINUNICODE and its forms; strings and bytes are text as well
      case 'T':
      case 'B':
        push(Kind::text, take(number<std::uint32_t>()));
        break;
      case '\x8c':
      case 'U':
      case 'C':
        push(Kind::text, take(number<std::uint8_t>()));
        break;
      case '\x8d':
      case '\x8e':
      case '\x96':
        push(Kind::text, take(number<std::uint64_t>()));
        break;
      case ']':  // EMPTY_LIST, EMPTY_TUPLE, EMPTY_SET
      case ')':
      case '\x8f':
        push(Kind::sequence);
        break;
      case '}':
        push(Kind::mapping);
        break;
      case '(':
        marks_.push_back(stack_.size());
        break;
      case 't':  // TUPLE, LIST, FROZENSET
      case 'l':
      case '\x91':
        push_list(pop_to_mark());
        break;
      case '\x85':
      case '\x86':
      case '\x87':
        push_list(pop_some(static_cast<std::size_t>(opcode - '\x84')));
        break;
      case 'd': {
        auto list = pop_to_mark();
        push(Kind::mapping);
        extend(list, Kind::mapping);
        break;
      }
      case 'a':  // APPEND, APPENDS, ADDITEMS
        extend(pop_some(1), Kind::sequence);
        break;
      case 'e':
      case '\x90':
        extend(pop_to_mark(), Kind::sequence);
        break;
      case 's':
        extend(pop_some(2), Kind::mapping);
        break;
      case 'u':
        extend(pop_to_mark(), Kind::mapping);
        break;
      case 'c': {
        const auto module = line();
        push_global(module, line());
        break;
      }
      case '\x93': {
        const auto names = pop_some(2);
        push_global(names[0]->text, names[1]->text);
        break;
      }
      case 'R':
      case '\x81':  // REDUCE, NEWOBJ
        reduce();
        break;
      case '\x92': {  // NEWOBJ_EX
        const auto parts = pop_some(3);
        push(Kind::opaque, parts[0]->text);
        break;
      }
      case 'b':  // BUILD: an object's state. Of a mapping it is its attributes (state_dict's _metadata).
        pop();
        last();
        break;
      case 'Q':
        persistent();
        break;
      case 'q':
        remember(number<std::uint8_t>());
        break;
      case 'r':
        remember(number<std::uint32_t>());
        break;
      case '\x94':
        remember(memo_.size());
        break;
      case 'h':
        recall(number<std::uint8_t>());
        break;
      case 'j':
        recall(number<std::uint32_t>());
        break;
      case '0':
        pop();
        break;
      case '1':
        pop_to_mark();
        break;
      case '2':
        stack_.push_back(last());
        break;
      default:
        refuse(text("opcode ", static_cast<int>(static_cast<unsigned char>(opcode)), " is not known"));
    }
    return true;
  }

  Pickle& pickle_;
  std::string_view bytes_;
  std::string_view source_;
  std::size_t at_ = 0;
  std::size_t memory_ = 0;
  std::vector<Value*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Value*> memo_;
};

Pickle::Pickle(std::string_view bytes, std::string_view source) { PickleMachine(*this, bytes, source).run(); }

}  // namespace tutti::models
