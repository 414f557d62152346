#include "base/fields.h"

#include <gtest/gtest.h>

namespace tutti {
namespace {

TEST(Fields, PrintAsToml) {
  double rate = 1e-4;
  double whole = 3;
  std::string name = "a \"b\"\n";
  Integers patch{16, 8};
  EXPECT_EQ(to_toml({"lr", &rate, ""}), "1e-04");
  EXPECT_EQ(to_toml({"x", &whole, ""}), "3.0");
  EXPECT_EQ(to_toml({"name", &name, ""}), "\"a \\\"b\\\"\\u000a\"");
  EXPECT_EQ(to_toml({"patch", &patch, ""}), "[16, 8]");
}

TEST(Fields, ComplaintNamesTheRangeAndTheValue) {
  double rate = -1;
  const Field field{.name = "lr", .target = &rate, .meaning = "", .least = 0, .most = 1};
  EXPECT_EQ(complaint(field), "must lie in [0, 1], and is -1");
  rate = 0.5;
  EXPECT_EQ(complaint(field), "");
  rate = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(complaint(field), "must be a finite number");
}

TEST(Fields, ComplaintNamesTheChoices) {
  std::string head = "clss";
  const Field field{.name = "head", .target = &head, .meaning = "", .choices = {"cls", "mean"}};
  EXPECT_EQ(complaint(field), "must be one of \"cls\", \"mean\", and is \"clss\"");
}

}  // namespace
}  // namespace tutti
