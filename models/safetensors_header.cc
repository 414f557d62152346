#include "models/safetensors.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_depth.h"

namespace tutti::models {
namespace {

using nlohmann::json;

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t size;
};

constexpr std::array dtypes = {
    DTypeRow{DType::boolean, "BOOL", 1},    DTypeRow{DType::u8, "U8", 1},
    DTypeRow{DType::i8, "I8", 1},           DTypeRow{DType::f8_e5m2, "F8_E5M2", 1},
    DTypeRow{DType::f8_e4m3, "F8_E4M3", 1}, DTypeRow{DType::i16, "I16", 2},
    DTypeRow{DType::u16, "U16", 2},         DTypeRow{DType::f16, "F16", 2},
    DTypeRow{DType::bf16, "BF16", 2},       DTypeRow{DType::i32, "I32", 4},
    DTypeRow{DType::u32, "U32", 4},         DTypeRow{DType::f32, "F32", 4},
    DTypeRow{DType::f64, "F64", 8},         DTypeRow{DType::i64, "I64", 8},
    DTypeRow{DType::u64, "U64", 8},
};

const DTypeRow& row(DType dtype) { return *std::ranges::find(dtypes, dtype, &DTypeRow::dtype); }

// Messages of one file; `tensor` may be empty.
class Complaints {
 public:
  explicit Complaints(std::string_view source) : source_(source) {}

  Error operator()(std::string_view tensor, std::string_view reason) const {
    auto problem = text("'", source_, "' is not a sound safetensors file");
    if (!tensor.empty()) problem += text(": tensor '", tensor, "'");
    return Error(problem, reason, "It may be torn or not fully copied: fetch or save it again");
  }

 private:
  std::string_view source_;
};

// The JSON library keeps the last of two equal keys; a file with two tensors of one name is an attack
// or a defect, so the keys are watched while they are read.
json parse_unique(std::string_view text_, const Complaints& complaint) {
  if (nests_too_deep(text_))
    throw complaint("", text("its JSON header nests deeper than ", kDeepestJson, " levels"));
  std::vector<std::set<std::string>> open;
  std::optional<std::string> twice;
  const auto watch = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second && !twice) {
      twice = value.get<std::string>();
    }
    return true;
  };
  json header;
  try {
    header = json::parse(text_, watch);
  } catch (const json::exception& error) {
    throw complaint("", text("its header is not JSON: ", error.what()));
  }
  if (twice) throw complaint(*twice, "the header has this key twice");
  if (!header.is_object()) throw complaint("", "its header is not a JSON object");
  return header;
}

std::uint64_t unsigned_number(const json& value, std::string_view tensor, std::string_view what,
                              const Complaints& complaint) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > INT64_MAX) {
    throw complaint(tensor, text(what, " is not a whole number in [0, 2^63): ", value.dump().substr(0, 40)));
  }
  return value.get<std::uint64_t>();
}

const json& array_member(const json& entry, const char* key, std::string_view tensor,
                         const Complaints& complaint) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) throw complaint(tensor, text("it has no list '", key, "'"));
  return *found;
}

TensorEntry parse_entry(const std::string& name, const json& value, const Complaints& complaint) {
  if (!value.is_object()) throw complaint(name, "its entry is not a JSON object");
  TensorEntry entry;
  entry.name = name;

  const auto dtype = value.find("dtype");
  if (dtype == value.end() || !dtype->is_string()) throw complaint(name, "it has no dtype");
  const auto& dtype_name = dtype->get_ref<const std::string&>();
  const auto* known = std::ranges::find(dtypes, dtype_name, &DTypeRow::name);
  if (known == dtypes.end()) throw complaint(name, text("unknown dtype '", dtype_name.substr(0, 40), "'"));
  entry.dtype = known->dtype;

  // Empty tensors count as one element here, so that no later product of extents can overflow either.
  std::uint64_t bytes = known->size;
  bool empty = false;
  for (const auto& extent : array_member(value, "shape", name, complaint)) {
    const auto length = unsigned_number(extent, name, "an extent of its shape", complaint);
    entry.shape.push_back(static_cast<std::int64_t>(length));
    empty = empty || length == 0;
    if (__builtin_mul_overflow(bytes, std::max<std::uint64_t>(length, 1), &bytes) || bytes > INT64_MAX) {
      throw complaint(name, "its shape is too large");
    }
  }
  if (empty) bytes = 0;

  const auto& offsets = array_member(value, "data_offsets", name, complaint);
  if (offsets.size() != 2) throw complaint(name, "data_offsets is not a pair");
  entry.begin = unsigned_number(offsets[0], name, "a data offset", complaint);
  entry.end = unsigned_number(offsets[1], name, "a data offset", complaint);
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    throw complaint(name, text("its shape and dtype take ", bytes, " bytes, its data_offsets are [",
                               entry.begin, ", ", entry.end, "]"));
  }
  return entry;
}

void check_tiling(const std::vector<TensorEntry>& entries, std::uint64_t data_bytes,
                  const Complaints& complaint) {
  std::uint64_t covered = 0;
  for (const auto& entry : entries) {
    if (entry.end > data_bytes) {
      throw complaint(entry.name, text("it ends at byte ", entry.end, " of ", data_bytes, " bytes of data"));
    }
    if (entry.begin != covered) {
      throw complaint(entry.name,
                      text("it begins at byte ", entry.begin, ", but the tensors before it end at ", covered,
                           ": data overlap or have a hole"));
    }
    covered = entry.end;
  }
  if (covered != data_bytes) {
    throw complaint("", text("its tensors take ", covered, " bytes, the file has ", data_bytes));
  }
}

}  // namespace

std::size_t size_of(DType dtype) { return row(dtype).size; }
std::string_view name_of(DType dtype) { return row(dtype).name; }

SafetensorsHeader parse_header(std::string_view json_text, std::uint64_t data_bytes,
                               std::string_view source) {
  const Complaints complaint(source);
  SafetensorsHeader header;
  const auto parsed = parse_unique(json_text, complaint);
  for (const auto& [name, value] : parsed.items()) {
    if (name != "__metadata__") {
      header.entries.push_back(parse_entry(name, value, complaint));
      continue;
    }
    if (!value.is_object()) throw complaint("", "its __metadata__ is not a JSON object");
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) throw complaint("", text("__metadata__ '", key, "' is not a string"));
      header.metadata.emplace(key, item.get<std::string>());
    }
  }
  std::ranges::sort(header.entries, {},
                    [](const TensorEntry& entry) { return std::pair(entry.begin, entry.end); });
  check_tiling(header.entries, data_bytes, complaint);
  return header;
}

}  // namespace tutti::models
