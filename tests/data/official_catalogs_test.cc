// Trees of the layout of published data sets; sound files are not opened.
#include "data/official_catalogs.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

const std::string header = "filename,fold,target,category,esc10,src_file,take\n";

class Esc50 : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_.path() / "meta"); }

  Catalog read(const std::string& rows, const Strings& classes = {}) const {
    write_file(folder_.path() / "meta" / "esc50.csv", rows);
    return read_esc50(folder_.path(), classes);
  }
  void refuses(const std::string& rows, std::initializer_list<std::string> parts) const {
    expect_error([&] { read(rows); }, parts);
  }

  TemporaryFolder folder_;
};

TEST_F(Esc50, ClassesByTargetAndFoldsByNumber) {
  const auto catalog =
      read(header + "1-a.wav,10,1,cat,True,a,A\n2-b.wav,2,0,dog,False,b,A\n3-c.wav,1,1,cat,False,c,A\n");
  EXPECT_EQ(catalog.classes, (Strings{"dog", "cat"}));
  EXPECT_EQ(catalog.folds, (Strings{"train", "validation", "test", "1", "2", "10"}));
  ASSERT_EQ(catalog.clips.size(), 3U);
  EXPECT_EQ(catalog.clips[0].path, folder_.path() / "audio" / "1-a.wav");
  EXPECT_EQ(catalog.clips[0].key, "1-a.wav");
  EXPECT_EQ(catalog.clips[0].labels[0].index, 1);
  EXPECT_EQ(catalog.folds[static_cast<std::size_t>(catalog.clips[0].fold)], "10");
  EXPECT_EQ(catalog.folds[static_cast<std::size_t>(catalog.clips[2].fold)], "1");
}

TEST_F(Esc50, TakesTheClassListAndKnownFolds) {
  const auto row = header + "1-a.wav,train,1,cat,True,a,A\n";
  EXPECT_EQ(read(row, {"dog", "cat"}).clips[0].labels[0].index, 1);
  EXPECT_EQ(read(row).folds.size(), 3U) << "a fold that is there already";
  expect_error([&] { read(row, {"dog"}); }, {"esc50.csv", "2", "'cat'", "class list"});
  expect_error([&] { read(row, {"cat", "cat"}); }, {"classes", "'cat' twice"});
}

TEST_F(Esc50, SaysWhatIsWrong) {
  refuses("", {"esc50.csv", "no clips"});
  refuses(header, {"esc50.csv", "no clips"});
  refuses("filename,fold,category\na.wav,1,cat\n", {"esc50.csv", "'target'"});
  refuses(header + "a.wav,1,0\n", {"esc50.csv", "2", "3 fields"});
  refuses(header + "a.wav,1,zero,cat,,,\n", {"esc50.csv", "2", "'zero'"});
  refuses(header + "a.wav,1,-1,cat,,,\n", {"'-1'"});
  refuses(header + "../a.wav,1,0,cat,,,\n", {"'../a.wav'", "no file name"});
  refuses(header + "a.wav,,0,cat,,,\n", {"2", "fold is empty"});
  refuses(header + "a.wav,1,0,cat,,,\nb.wav,1,1,cat,,,\n", {"3", "'cat' has target 1"});
  refuses(header + "a.wav,1,0,cat,,,\nb.wav,1,0,dog,,,\n", {"3", "'dog'", "'cat'"});
  refuses(header + "a.wav,1,0,cat,,,\na.wav,2,0,cat,,,\n", {"3", "'a.wav' is named twice"});
  refuses(header + "\xe4.wav,1,0,cat,,,\n", {"esc50.csv", "UTF-8"});
}

class SpeechCommands : public testing::Test {
 protected:
  void SetUp() override {
    for (const std::string clip : {"yes/1.wav", "yes/2.wav", "no/1.wav", "_background_noise_/hum.wav"}) {
      fs::create_directories((folder_.path() / clip).parent_path());
      write_file(folder_.path() / clip, "");
    }
  }

  Catalog read(const std::string& validation, const std::string& test) const {
    write_file(folder_.path() / "validation_list.txt", validation);
    write_file(folder_.path() / "testing_list.txt", test);
    return read_speech_commands(folder_.path());
  }

  TemporaryFolder folder_;
};

TEST_F(SpeechCommands, FoldsByTheLists) {
  const auto catalog = read("yes/2.wav\r\n", "no/1.wav\n");
  EXPECT_EQ(catalog.classes, (Strings{"no", "yes"}));
  ASSERT_EQ(catalog.clips.size(), 3U);
  const std::vector<std::pair<std::string, int>> expected = {
      {"no/1.wav", 2}, {"yes/1.wav", 0}, {"yes/2.wav", 1}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(catalog.clips[i].key, expected[i].first);
    EXPECT_EQ(catalog.clips[i].fold, expected[i].second) << expected[i].first;
  }
}

TEST_F(SpeechCommands, SaysWhatIsWrong) {
  expect_error([&] { read("yes/1.wav\nyes/3.wav\n", ""); },
               {"validation_list.txt", "2", "'yes/3.wav' is not there"});
  expect_error([&] { read("yes/1.wav\n", "yes/1.wav\n"); }, {"testing_list.txt", "1", "listed twice"});
  expect_error([&] { read("yes/1.wav\nyes/1.wav\n", ""); }, {"validation_list.txt", "2", "listed twice"});
  read("", "");
  fs::remove(folder_.path() / "testing_list.txt");
  expect_error([&] { read_speech_commands(folder_.path()); }, {"testing_list.txt"});
}

}  // namespace
}  // namespace tutti::data
