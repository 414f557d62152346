#include "base/fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace tutti {
namespace {

std::string toml(bool value) { return value ? "true" : "false"; }

std::string toml(std::int64_t value) { return std::to_string(value); }

// The shortest digits that read back as the same double, with the point or exponent that TOML wants.
std::string toml(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (std::isnan(value)) return "nan";
  char digits[32];
  std::string result(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  if (result.find_first_of(".e") == std::string::npos) result += ".0";
  return result;
}

std::string toml(const std::string& value) {
  std::string result = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      constexpr char hex[] = "0123456789abcdef";
      result += text("\\u00", hex[(c >> 4) & 15], hex[c & 15]);
    } else {
      result += c;
    }
  }
  return result + '"';
}

template <class T>
std::string toml(const std::vector<T>& values) {
  std::string result = "[";
  for (const T& value : values) result += (result.size() > 1 ? ", " : "") + toml(value);
  return result + "]";
}

std::string check_number(const Field& field, double value) {
  if (value >= field.least && value <= field.most) return {};
  return text("must lie in [", field.least, ", ", field.most, "], and is ", value);
}

std::string check(const Field&, bool) { return {}; }
std::string check(const Field& field, std::int64_t value) {
  return check_number(field, static_cast<double>(value));
}
std::string check(const Field& field, double value) {
  if (!std::isfinite(value)) return "must be a finite number";
  return check_number(field, value);
}
std::string check(const Field& field, const std::string& value) {
  if (field.choices.empty() || std::ranges::count(field.choices, value) > 0) return {};
  std::string allowed;
  for (const auto& choice : field.choices) allowed += text(allowed.empty() ? "" : ", ", '"', choice, '"');
  return text("must be one of ", allowed, ", and is \"", value, '"');
}
template <class T>
std::string check(const Field& field, const std::vector<T>& values) {
  for (const T& value : values) {
    if (auto wrong = check(field, value); !wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace

std::string complaint(const Field& field) {
  return std::visit([&](auto* value) { return check(field, *value); }, field.target);
}

std::string to_toml(const Field& field) {
  return std::visit([](auto* value) { return toml(*value); }, field.target);
}

}  // namespace tutti
