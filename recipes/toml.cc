#include "recipes/toml.h"

#include <algorithm>

// toml++ 3.3 asserts what the header "[=]" does not fulfil, or has the compiler assume it where NDEBUG is
// defined. Without either it refuses such a header by itself.
#undef NDEBUG
#define TOML_ASSERT(condition) static_cast<void>(0)
#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include "base/error.h"

namespace tutti::recipes {
namespace {

// Each dot of a key is a table within a table, and the library recurses through them.
constexpr auto most_dots = 4'000;

class Flattener {
 public:
  Flattener(std::string source, std::vector<TomlEntry>& entries)
      : source_(std::move(source)), entries_(entries) {}

  void table(const toml::table& table, const std::string& prefix) {
    if (std::ranges::count(prefix, '.') > deepest) {
      throw UsageError(text(where(table), ": ", prefix.substr(0, 40), "... nests too deep"),
                       "no key has so many parts");
    }
    for (const auto& [key, node] : table) value(node, prefix + std::string(key.str()));
  }

 private:
  void value(const toml::node& node, const std::string& key) {
    if (const auto* inner = node.as_table()) return table(*inner, key + ".");
    if (const auto* array = node.as_array()) return this->array(*array, key);
    if (const auto* v = node.as_boolean()) return add(node, key, v->get());
    if (const auto* v = node.as_integer()) return add(node, key, v->get());
    if (const auto* v = node.as_floating_point()) return add(node, key, v->get());
    if (const auto* v = node.as_string()) return add(node, key, v->get());
    throw UsageError(text(where(node), ": ", key, " is a date or time"), "no key takes one");
  }

  void array(const toml::array& array, const std::string& key) {
    if (array.is_array_of_tables()) {
      for (std::size_t i = 0; i < array.size(); ++i) table(*array[i].as_table(), text(key, ".", i, "."));
    } else if (array.empty() || array.is_homogeneous<std::string>()) {
      add(array, key, gather<std::string>(array));
    } else if (array.is_homogeneous<std::int64_t>()) {
      add(array, key, gather<std::int64_t>(array));
    } else {
      Numbers numbers;
      for (const auto& element : array) {
        const auto number = element.value<double>();
        if (!number || element.is_boolean()) {
          throw UsageError(text(where(array), ": ", key, " mixes kinds of values"),
                           "a list holds strings only, or numbers only");
        }
        numbers.push_back(*number);
      }
      add(array, key, numbers);
    }
  }

  template <class T>
  static std::vector<T> gather(const toml::array& array) {
    std::vector<T> values;
    for (const auto& element : array) values.push_back(*element.value<T>());
    return values;
  }

  void add(const toml::node& node, const std::string& key, TomlValue value) {
    entries_.push_back({key, std::move(value), where(node)});
  }

  std::string where(const toml::node& node) const { return text(source_, ":", node.source().begin.line); }

  static constexpr auto deepest = 64;

  std::string source_;
  std::vector<TomlEntry>& entries_;
};

// The length of the string, with its quotes, that begins a text: "...", '...', and either with three quotes.
// A string that is not closed ends with its line, or with the text.
std::size_t string_length(std::string_view text) {
  const char quote = text[0];
  const std::string three(3, quote);
  const bool long_one = text.starts_with(three);
  for (std::size_t i = long_one ? 3 : 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (!long_one && (text[i] == quote || text[i] == '\n')) {
      return i + 1;
    } else if (long_one && text.substr(i).starts_with(three)) {
      const auto end = text.find_first_not_of(quote, i);  // two quotes of its own may stand before the three
      return std::min({end, i + 5, text.size()});
    }
  }
  return text.size();
}

// The line on which a character beyond ASCII stands outside strings and comments, or 0. There it is not TOML,
// and toml++ 3.3 takes some of them (é, ㄅ) for what cannot be.
std::int64_t line_of_bare_unicode(std::string_view document) {
  for (std::size_t i = document.starts_with("\xEF\xBB\xBF") ? 3 : 0; i < document.size();) {
    const char c = document[i];
    if (static_cast<unsigned char>(c) >= 0x80) return 1 + std::ranges::count(document.substr(0, i), '\n');
    if (c == '"' || c == '\'') {
      i += string_length(document.substr(i));
    } else {
      i = c == '#' ? std::min(document.find('\n', i), document.size()) : i + 1;
    }
  }
  return 0;
}

}  // namespace

std::vector<TomlEntry> parse_toml(std::string_view document, const std::string& source) {
  std::vector<TomlEntry> entries;
  if (std::ranges::count(document, '.') > most_dots) {
    throw UsageError(text(source, ": no configuration has so many dots"), text("more than ", most_dots));
  }
  if (const auto line = line_of_bare_unicode(document)) {
    throw UsageError(text(source, ":", line, ": not valid TOML"),
                     "letters beyond ASCII stand in strings and comments only");
  }
  try {
    Flattener(source, entries).table(toml::parse(document), "");
  } catch (const toml::parse_error& error) {
    throw UsageError(text(source, ":", error.source().begin.line, ": not valid TOML"), error.description());
  }
  return entries;
}

TomlEntry parse_assignment(const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError(text("--set ", assignment, " is not of the form key=value"), "",
                     "For example: --set optimizer.lr=1e-4");
  }
  const std::string key = assignment.substr(0, equals);
  const std::string value = assignment.substr(equals + 1);
  const std::string where = "--set " + assignment;
  try {
    auto entries = parse_toml("value = " + value, where);
    if (entries.size() == 1) return {key, std::move(entries[0].value), where};
  } catch (const UsageError&) {
    return {key, value, where};  // not TOML: a bare word
  }
  return {key, value, where};
}

std::string describe(const TomlValue& value) {
  struct Describe {
    std::string operator()(bool v) const { return text("the boolean ", v ? "true" : "false"); }
    std::string operator()(std::int64_t v) const { return text("the integer ", v); }
    std::string operator()(double v) const { return text("the number ", v); }
    std::string operator()(const std::string& v) const { return text("the string \"", v, '"'); }
    std::string operator()(const Strings&) const { return "a list of strings"; }
    std::string operator()(const Integers&) const { return "a list of integers"; }
    std::string operator()(const Numbers&) const { return "a list of numbers"; }
  };
  return std::visit(Describe{}, value);
}

}  // namespace tutti::recipes
