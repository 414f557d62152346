#include "data/catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "data/utf8.h"
#include "tests/temporary_folder.h"

namespace tutti::data {
namespace {

class Manifest : public testing::Test {
 protected:
  Catalog read(std::string_view csv, const Strings& classes = {}) {
    write_file(path_, csv);
    return read_manifest(path_, {}, classes);
  }
  void expect_complaint(std::string_view csv, const std::string& part, const Strings& classes = {}) {
    try {
      read(csv, classes);
      ADD_FAILURE() << "no error: " << csv;
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find(path_.native()), std::string::npos) << message;
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "clips.csv";
};

std::vector<std::int32_t> indices(const Clip& clip) {
  std::vector<std::int32_t> result;
  for (const Label& label : clip.labels) result.push_back(label.index);
  return result;
}

TEST_F(Manifest, ReadsColumnsInAnyOrder) {
  const Catalog catalog = read("label,extra,path\ndog,1,b.wav\ncat,2,a/a.wav\n");
  EXPECT_EQ(catalog.classes, (Strings{"cat", "dog"}));
  EXPECT_EQ(catalog.folds, (Strings{"train", "validation", "test"}));
  ASSERT_EQ(catalog.clips.size(), 2U);
  EXPECT_EQ(catalog.clips[0].path, folder_.path() / "b.wav");
  EXPECT_EQ(catalog.clips[0].key, "b.wav");
  EXPECT_EQ(indices(catalog.clips[0]), (std::vector<std::int32_t>{1}));
  EXPECT_EQ(catalog.clips[0].fold, 0);
  EXPECT_EQ(catalog.clips[1].path, folder_.path() / "a/a.wav");
}

TEST_F(Manifest, KnowsQuotesLineEndsAndByteOrderMarks) {
  const Catalog catalog = read(
      "\xEF\xBB\xBFpath,label\r\n\"a,b.wav\",\"Speech, male; \"\"Hi\"\"\"\r\n\r\n c.wav , Music "
      "\r\n\"d\n.wav\",Music");
  EXPECT_EQ(catalog.classes, (Strings{"\"Hi\"", "Music", "Speech, male"}));
  ASSERT_EQ(catalog.clips.size(), 3U);
  EXPECT_EQ(catalog.clips[0].key, "a,b.wav");
  EXPECT_EQ(indices(catalog.clips[0]), (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(catalog.clips[1].key, "c.wav");
  EXPECT_EQ(catalog.clips[2].key, "d\n.wav");
}

TEST_F(Manifest, GivesEachLabelOnceInOrder) {
  const Catalog catalog = read("path,label\na.wav,c; a ;c;\n", {"a", "b", "c"});
  EXPECT_EQ(catalog.classes, (Strings{"a", "b", "c"}));
  EXPECT_EQ(indices(catalog.clips[0]), (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(catalog.clips[0].labels[0].weight, 1);
}

// A fold's index depends on the names alone.
TEST_F(Manifest, OrdersFolds) {
  const Catalog catalog =
      read("path,label,fold,key\na,x,10,k\nb,x,test,\nc,x,2,\nd,x,,\ne,x,dev,\nf,x,validation,\n");
  EXPECT_EQ(catalog.folds, (Strings{"train", "validation", "test", "2", "10", "dev"}));
  std::vector<std::int16_t> folds;
  for (const Clip& clip : catalog.clips) folds.push_back(clip.fold);
  EXPECT_EQ(folds, (std::vector<std::int16_t>{4, 2, 3, 0, 5, 1}));
  EXPECT_EQ(catalog.clips[0].key, "k");
  EXPECT_EQ(catalog.clips[1].key, "b");
}

TEST_F(Manifest, TakesPathsFromAnotherRoot) {
  write_file(path_, "path,label\na.wav,x\n");
  EXPECT_EQ(read_manifest(path_, "/sounds").clips[0].path, "/sounds/a.wav");
}

TEST_F(Manifest, NamesFileLineAndValue) {
  expect_complaint("", "line 1 ");
  expect_complaint("path,label\n", "no clips");
  expect_complaint("file,label\na,b\n", "'path'");
  expect_complaint("path,class\na,b\n", "'label'");
  expect_complaint("path,label,path\na,b,c\n", "two columns");
  expect_complaint("path,label\na.wav,x\nb.wav\n", "line 3 ");
  expect_complaint("path,label\na.wav,Speech, male\n", "3 fields");
  expect_complaint("path,label\na.wav, ;\n", "no label");
  expect_complaint("path,label\n,x\n", "the path is empty");
  expect_complaint("path,label\na.wav,x\n\nb.wav,y\n", "line 4 ", {"x"});
  expect_complaint("path,label\nb.wav,y\n", "'y' is not in the class list", {"x"});
  expect_complaint("path,label\na.wav,x\n/elsewhere/b.wav,x\n", "absolute: '/elsewhere/b.wav'");
  expect_complaint("path,label\na/../../b.wav,x\n", "out of its folder");
  expect_complaint("path,label\na.wav,x\nb.wav,x\na.wav,x\n", "'a.wav' is that of line 2");
  expect_complaint("path,label\na.wav,x\n\xff.wav,x\n", "line 3 ");
  expect_complaint("path,label\na.wav,\"x\nb.wav,y\n", "quote");
  EXPECT_THROW(read_manifest(folder_.path() / "none.csv"), Error);
}

class Folders : public testing::Test {
 protected:
  void add(const std::string& name) {
    const auto path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    write_file(path, "");
  }
  TemporaryFolder folder_;
};

TEST_F(Folders, AreClasses) {
  for (const char* name : {"b/2.wav", "b/1.wav", "b/sub/0.wav", "a/x.wav", "a/.DS_Store", "a-b/y.wav",
                           "_noise_/n.wav", "README.txt"}) {
    add(name);
  }
  const Catalog catalog = read_folders(folder_.path());
  EXPECT_EQ(catalog.classes, (Strings{"a", "a-b", "b"}));
  Strings keys;
  for (const Clip& clip : catalog.clips) keys.push_back(clip.key);
  EXPECT_EQ(keys, (Strings{"a/x.wav", "a-b/y.wav", "b/1.wav", "b/2.wav", "b/sub/0.wav"}));
  EXPECT_EQ(catalog.clips[0].path, folder_.path() / "a/x.wav");
  EXPECT_EQ(indices(catalog.clips[1]), (std::vector<std::int32_t>{1}));

  EXPECT_EQ(indices(read_folders(folder_.path(), {"b", "a-b", "c", "a"}).clips[0]),
            (std::vector<std::int32_t>{3}));
  EXPECT_THROW(read_folders(folder_.path(), {"a", "b"}), Error);
}

// Which of 400 clips are in fold validation depends on their keys alone; about one in twenty is.
TEST_F(Folders, AnyFilesWithoutLabels) {
  for (int i = 0; i < 400; ++i) add(std::to_string(i) + ".wav");
  add("deep/er/x.ogg");
  add(".hidden");
  const Catalog catalog = read_files(folder_.path());
  EXPECT_TRUE(catalog.classes.empty());
  ASSERT_EQ(catalog.clips.size(), 401U);
  EXPECT_EQ(catalog.clips.back().key, "deep/er/x.ogg");
  EXPECT_EQ(catalog.clips.back().path, folder_.path() / "deep/er/x.ogg");
  std::map<std::string, int> fold_of;
  for (const Clip& clip : catalog.clips) fold_of[clip.key] = clip.fold;
  const auto validation = std::ranges::count(catalog.clips, 1, &Clip::fold);
  EXPECT_TRUE(validation >= 8 && validation <= 36) << validation;
  std::filesystem::remove(folder_.path() / "0.wav");
  for (const Clip& clip : read_files(folder_.path()).clips) EXPECT_EQ(clip.fold, fold_of[clip.key]);
}

TEST_F(Folders, MustHoldClips) {
  EXPECT_THROW(read_files(folder_.path()), Error);
  EXPECT_THROW(read_files(folder_.path() / "none"), Error);
  EXPECT_THROW(read_folders(folder_.path()), Error);
  EXPECT_THROW(read_folders(folder_.path() / "none"), Error);
  std::filesystem::create_directory(folder_.path() / "a");
  EXPECT_THROW(read_folders(folder_.path()), Error);
}

TEST(Utf8, TextIsWellFormed) {
  for (const char* good : {"", "a/b.wav", "\u00e9", "\u3105", "\U0001F600"})
    EXPECT_TRUE(is_text(good)) << good;
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xff"}) {
    EXPECT_FALSE(is_text(bad));
  }
  EXPECT_FALSE(is_text(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace tutti::data
