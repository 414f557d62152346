#include "data/csv.h"

#include <csv.h>

#include <string>
#include <utility>

#include "base/files.h"
#include "data/utf8.h"

namespace tutti::data {
namespace {

constexpr std::string_view kQuoting =
    "A field that holds a comma or a quote must stand in quotes, with the inner quotes doubled";

class Parser {
 public:
  Parser() { csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI); }  // fails for a null pointer only
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { csv_free(&parser_); }

  // What is wrong, or nothing.
  std::string_view parse(std::string_view part, std::int64_t line) {
    line_ = line;
    if (csv_parse(&parser_, part.data(), part.size(), on_field, on_row, this) == part.size()) return {};
    return csv_strerror(csv_error_code());
  }
  std::string_view finish() {
    if (csv_fini(&parser_, on_field, on_row, this) == 0) return {};
    return "a quote is not closed";
  }
  std::vector<CsvRow> take_rows() { return std::move(rows_); }

 private:
  int csv_error_code() { return ::csv_error(&parser_); }

  static void on_field(void* data, std::size_t size, void* self) {
    static_cast<Parser*>(self)->fields_.emplace_back(static_cast<const char*>(data), size);
  }
  static void on_row(int, void* self_pointer) {
    auto& self = *static_cast<Parser*>(self_pointer);
    self.rows_.push_back({self.line_, std::exchange(self.fields_, {})});
  }

  csv_parser parser_{};
  std::int64_t line_ = 0;
  Strings fields_;
  std::vector<CsvRow> rows_;
};

}  // namespace

std::vector<CsvRow> read_csv(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::string_view rest = bytes;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);

  Parser parser;
  std::int64_t line = 1;
  for (; !rest.empty(); ++line) {
    const auto end = rest.find('\n');
    const auto part = rest.substr(0, end == std::string_view::npos ? end : end + 1);
    if (!is_text(part))
      throw csv_error(path, line, "it is not UTF-8, or holds a NUL byte", "Save the file as UTF-8");
    if (const auto wrong = parser.parse(part, line); !wrong.empty())
      throw csv_error(path, line, wrong, kQuoting);
    rest.remove_prefix(part.size());
  }
  if (const auto wrong = parser.finish(); !wrong.empty()) throw csv_error(path, line - 1, wrong, kQuoting);
  return parser.take_rows();
}

std::string csv_line(const Strings& fields) {
  std::string line;
  for (const auto& field : fields) {
    if (!line.empty()) line += ',';
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    const bool blank_at_an_end = !field.empty() && (is_blank(field.front()) || is_blank(field.back()));
    if (field.find_first_of(",\"\r\n") == std::string::npos && !blank_at_an_end && !field.empty()) {
      line += field;
      continue;
    }
    std::string quoted(csv_write(nullptr, 0, field.data(), field.size()), '\0');
    csv_write(quoted.data(), quoted.size(), field.data(), field.size());
    line += quoted;
  }
  return line + '\n';
}

Error csv_error(const std::filesystem::path& path, std::int64_t line, std::string_view reason,
                std::string_view suggestion) {
  return Error(text("line ", line, " of '", path.native(), "' cannot be used"), reason, suggestion);
}

}  // namespace tutti::data
