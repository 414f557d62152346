#pragma once
// Comma-separated values (RFC 4180), by libcsv.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fields.h"

namespace tutti::data {

struct CsvRow {
  std::int64_t line = 0;  // on which it ends; the first is 1
  Strings fields;
};

// All rows but empty ones. Quotes, and commas and line ends inside them; CRLF or LF; a byte-order mark or
// none; blanks around unquoted fields are dropped. Throws Error that names file and line: unbalanced
// quotes, text that is not UTF-8.
std::vector<CsvRow> read_csv(const std::filesystem::path& path);

// One line with its end, LF: what read_csv() reads back as these fields. They are quoted where they must be.
std::string csv_line(const Strings& fields);

// What is wrong with a line of the file.
Error csv_error(const std::filesystem::path& path, std::int64_t line, std::string_view reason,
                std::string_view suggestion = {});

}  // namespace tutti::data
