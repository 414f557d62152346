#include "base/files.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti {
namespace {

TEST(Files, ReplaceFileLeavesTheNewContentAlone) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "state.json";
  replace_file(path, "old");
  replace_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "state.json.writing"));
}

TEST(Files, AFolderIsThereWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "some" / "model";
  EXPECT_THROW(make_folder(path,
                           [](const auto& writing) {
                             write_file(writing / "a", "half");
                             throw Error("no more");
                           }),
               Error);
  EXPECT_TRUE(std::filesystem::is_empty(path.parent_path()));
  make_folder(path, [](const auto& writing) { write_file(writing / "b", "whole"); });
  EXPECT_EQ(read_file(path / "b"), "whole");
  EXPECT_FALSE(std::filesystem::exists(path / "a"));
  expect_error([&] { make_folder(path, [](const auto&) {}); }, {path.string(), "is there already"});
}

TEST(Files, ErrorsNameThePathAndTheReason) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "missing" / "x";
  try {
    write_file(path, "x");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("No such file or directory"), std::string::npos);
  }
  EXPECT_THROW(read_file(path), Error);
}

TEST(Files, FullDiskIsAnError) { EXPECT_THROW(write_file("/dev/full", "x"), Error); }

}  // namespace
}  // namespace tutti
