#include "data/csv.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "tests/temporary_folder.h"

namespace tutti::data {
namespace {

TEST(Csv, ALineIsQuotedWhereItMustBe) {
  EXPECT_EQ(csv_line({"plain", "1.5", "with blank", "\u3105"}), "plain,1.5,with blank,\u3105\n");
  EXPECT_EQ(csv_line({"a,b", "say \"x\"", "two\nlines"}), "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\n");
}

TEST(Csv, WhatIsWrittenReadsBack) {
  const TemporaryFolder folder;
  const std::vector<Strings> rows = {
      {"", "x", ""}, {" blanks ", "\t", "\"\""}, {",", "\r\n", "'"}, {"Bass, \"low\"", "\u3105\u4e2d", "-"}};
  std::string table;
  for (const auto& row : rows) table += csv_line(row);
  write_file(folder.path() / "table.csv", table);
  const auto read = read_csv(folder.path() / "table.csv");
  ASSERT_EQ(read.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(read[i].fields, rows[i]) << i;
}

}  // namespace
}  // namespace tutti::data
