// Trees of AudioSet's and AST's lists; sound files are not opened.
#include "data/audioset_catalogs.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

const std::string class_list =
    "index,mid,display_name\n0,/m/09x0r,\"Speech\"\n1,/m/05zppz,\"Male speech, man "
    "speaking\"\n2,/t/dd00003,Silence\n";
const std::string comments =
    "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=4, num_segs=4, num_unique_labels=3\n"
    "# YTID, start_seconds, end_seconds, positive_labels\n";

class Tree : public testing::Test {
 protected:
  void SetUp() override { write("class_labels_indices.csv", class_list); }

  fs::path write(const fs::path& name, const std::string& content = "sound") const {
    const auto path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    write_file(path, content);
    return path;
  }
  static std::string fold_of(const Catalog& catalog, std::size_t clip) {
    return catalog.folds[static_cast<std::size_t>(catalog.clips[clip].fold)];
  }

  TemporaryFolder folder_;
};

class AudioSet : public Tree {
 protected:
  Catalog read(const Strings& classes = {}) const { return read_audioset(folder_.path(), classes); }
  void refuses(const std::string& rows, std::initializer_list<std::string> parts) const {
    write("eval_segments.csv", comments + rows);
    expect_error([&] { read(); }, parts);
  }
};

TEST_F(AudioSet, OfficialListsAndWhateverDownloadersCallTheFiles) {
  write("balanced_train_segments.csv",
        comments +
            "--aE2O5G5WE, 0.000, 10.000, \"/m/09x0r\"\n_plain, 30.000, 40.000, \"/t/dd00003,/m/09x0r\"\n"
            "seconds, 30.000, 40.000, \"/m/05zppz\"\nmillis, 0.000, 9.500, \"/m/05zppz\"\n");
  write("eval_segments.csv",
        comments + "gone, 0.000, 10.000, \"/m/09x0r\"\nstart, 30.000, 40.000, \"/m/09x0r\"\n");
  for (const auto* name : {"balanced_train/--aE2O5G5WE.wav", "balanced_train/Y_plain.flac",
                           "balanced_train/seconds_30_40.wav", "balanced_train/Ymillis_0_9500.ogg",
                           "balanced_train/unlisted.wav", "eval/start_30000.wav", "eval/gone_to.wav"})
    write(fs::path("audio") / name);
  const auto catalog = read();
  EXPECT_EQ(catalog.classes, (Strings{"Speech", "Male speech, man speaking", "Silence"}));
  EXPECT_EQ(catalog.folds, (Strings{"train", "validation", "test", "balanced", "evaluation"}));
  ASSERT_EQ(catalog.clips.size(), 5U);
  const auto audio = folder_.path() / "audio";
  EXPECT_EQ(catalog.clips[0].path, audio / "balanced_train/--aE2O5G5WE.wav");
  EXPECT_EQ(catalog.clips[0].key, "--aE2O5G5WE");
  EXPECT_EQ(fold_of(catalog, 0), "balanced");
  EXPECT_EQ(catalog.clips[1].path, audio / "balanced_train/Y_plain.flac");
  ASSERT_EQ(catalog.clips[1].labels.size(), 2U);
  EXPECT_EQ(catalog.clips[1].labels[0].index, 0);
  EXPECT_EQ(catalog.clips[1].labels[1].index, 2);
  EXPECT_EQ(catalog.clips[2].path, audio / "balanced_train/seconds_30_40.wav");
  EXPECT_EQ(catalog.clips[3].path, audio / "balanced_train/Ymillis_0_9500.ogg");
  EXPECT_EQ(catalog.clips[4].path, audio / "eval/start_30000.wav");
  EXPECT_EQ(fold_of(catalog, 4), "evaluation");
  ASSERT_EQ(catalog.missing.size(), 1U);
  EXPECT_EQ(catalog.missing[0].list, "eval_segments.csv");
  EXPECT_EQ(catalog.missing[0].clips, 1);
  EXPECT_EQ(catalog.missing[0].of, 2);
}

TEST_F(AudioSet, TakesTheClassList) {
  write("eval_segments.csv", comments + "a, 0, 10, \"/m/09x0r\"\n");
  write("audio/eval/a.wav");
  EXPECT_EQ(read({"Silence", "Speech"}).clips[0].labels[0].index, 1);
  expect_error([&] { read({"Silence"}); }, {"eval_segments.csv", "line 4", "'Speech'", "class list"});
}

TEST_F(AudioSet, SaysWhatIsWrong) {
  expect_error([&] { read(); }, {folder_.path().native(), "not AudioSet", "eval_segments.csv"});
  refuses("a, 0, 10, \"/m/09x0r\"\n", {"no folder", "audio/eval"});
  write("audio/eval/a.wav");
  refuses("", {"eval_segments.csv", "lists no clips"});
  refuses("b, 0, 10, \"/m/09x0r\"\n", {"none of the 1 clips", "eval_segments.csv", "audio/eval"});
  refuses("a, 0, 10\n", {"eval_segments.csv", "line 4", "3 fields"});
  refuses("a, zero, 10, \"/m/09x0r\"\n", {"line 4", "'zero'"});
  refuses("a, 0, -1, \"/m/09x0r\"\n", {"line 4", "'-1'"});
  refuses("a, 0, nan, \"/m/09x0r\"\n", {"line 4", "'nan'"});
  refuses("a/b, 0, 10, \"/m/09x0r\"\n", {"line 4", "'a/b'", "no YTID"});
  refuses("a, 0, 10, \"/m/09x0r,/m/none\"\n", {"line 4", "'/m/none'", "class_labels_indices.csv"});
  refuses("a, 0, 10, \"\"\n", {"line 4", "mid ''"});
  refuses("a, 0, 10, \"/m/09x0r\"\na, 20, 30, \"/m/09x0r\"\n", {"line 5", "'a' is listed twice"});
  refuses("a, 0, 10, \"/m/09x0r\xff\"\n", {"line 4", "UTF-8"});
  write("audio/eval/Ya.flac");
  refuses("a, 0, 10, \"/m/09x0r\"\n", {"two files", "'Ya.flac'", "'a.wav'"});

  const auto classes = [&](const std::string& content, std::initializer_list<std::string> parts) {
    write("class_labels_indices.csv", content);
    expect_error([&] { read(); }, parts);
  };
  classes("", {"class_labels_indices.csv", "no classes"});
  classes("index,mid,display_name\n0,/m/a,\xff\n", {"class_labels_indices.csv", "line 2", "UTF-8"});
  classes("index,mid\n0,/m/a\n", {"'display_name'"});
  classes("index,mid,display_name\n0,/m/a,Speech, male\n", {"line 2", "4 fields", "quotes"});
  classes("index,mid,display_name\n1,/m/a,A\n", {"line 2", "'1'", "0 comes next"});
  classes("index,mid,display_name\n0,/m/a,A\n1,/m/a,B\n", {"line 3", "'/m/a' is there twice"});
  classes("index,mid,display_name\n0,/m/a,A\n1,/m/b,A\n", {"classes", "'A' twice"});
  fs::remove(folder_.path() / "class_labels_indices.csv");
  expect_error([&] { read(); }, {"class_labels_indices.csv"});
}

class AstLists : public Tree {
 protected:
  Catalog read(const Strings& classes = {}) const {
    return read_ast_lists(folder_.path(), folder_.path() / "sounds", classes);
  }
  void refuses(const std::string& list, std::initializer_list<std::string> parts) const {
    write("eval.json", list);
    expect_error([&] { read(); }, parts);
  }
};

TEST_F(AstLists, AFoldForEachList) {
  write("balanced.json", R"({"data": [{"wav": "a.wav", "labels": "/m/05zppz,/m/09x0r"},
                                      {"wav": "-gone.wav", "labels": "/m/09x0r"}]})");
  const auto outside = write("elsewhere/b.wav");
  write("eval.json", R"({"data": [{"labels": "/t/dd00003", "wav": ")" + outside.native() + R"("}]})");
  write("sounds/a.wav");
  const auto catalog = read();
  EXPECT_EQ(catalog.classes.size(), 3U);
  ASSERT_EQ(catalog.clips.size(), 2U);
  EXPECT_EQ(catalog.clips[0].path, folder_.path() / "sounds" / "a.wav");
  EXPECT_EQ(catalog.clips[0].key, "a.wav");
  EXPECT_EQ(catalog.clips[0].labels.size(), 2U);
  EXPECT_EQ(fold_of(catalog, 0), "balanced");
  EXPECT_EQ(catalog.clips[1].path, outside);
  EXPECT_EQ(fold_of(catalog, 1), "eval");
  ASSERT_EQ(catalog.missing.size(), 1U);
  EXPECT_EQ(catalog.missing[0].list, "balanced.json");
  EXPECT_EQ(catalog.missing[0].clips, 1);
  EXPECT_EQ(catalog.missing[0].of, 2);
}

TEST_F(AstLists, SaysWhatIsWrong) {
  expect_error([&] { read(); }, {folder_.path().native(), "no lists"});
  write("sounds/a.wav");
  refuses("", {"eval.json"});
  refuses("[]", {"eval.json", "not one of AST's lists"});
  refuses(R"({"data": 3})", {"eval.json", "not one of AST's lists"});
  refuses(R"({"data": [3]})", {"eval.json", "not one of AST's lists"});
  refuses(R"({"data": []})", {"eval.json", "lists no clips"});
  refuses(R"({"data": [{"wav": "a.wav", "labels": "/m/09x0r"})", {"eval.json", "cannot be read"});
  refuses(R"({"data": [{"wav": "a.wav"}]})", {"entry 1", "eval.json", "'labels'"});
  refuses(R"({"data": [{"wav": 3, "labels": "/m/09x0r"}]})", {"entry 1", "'wav'"});
  refuses(R"({"data": [{"wav": "a.wav", "labels": "/m/x"}]})", {"entry 1", "'/m/x'", "class_labels_indices"});
  refuses(R"({"data": [{"wav": "a.wav", "labels": "/m/09x0r"}, {"wav": "a.wav", "labels": "/m/09x0r"}]})",
          {"entry 2", "'a.wav' is listed twice"});
  refuses(R"({"data": [{"wav": "b.wav", "labels": "/m/09x0r"}]})", {"none of the 1 clips", "eval.json"});
  refuses("{\"data\": [{\"wav\": \"\xff.wav\", \"labels\": \"/m/09x0r\"}]}", {"eval.json", "UTF-8"});
  fs::create_directory(folder_.path() / "sounds" / "folder.wav");
  refuses(R"({"data": [{"wav": "folder.wav", "labels": "/m/09x0r"}]})", {"none of the 1 clips", "eval.json"});
  write("esc_class_labels_indices.csv", class_list);
  expect_error([&] { read(); }, {"2 files", "class_labels_indices.csv"});
}

}  // namespace
}  // namespace tutti::data
