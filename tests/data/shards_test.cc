#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "data/checksum.h"
#include "data/hdf5.h"
#include "tests/data/shard_fixture.h"
#include "tests/expect_error.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

TEST(Checksum, IsXxh3OfTheBytesHoweverTheyCome) {
  // XXH3_64bits of the empty input, as published in the specification's test vectors.
  EXPECT_EQ(hex(xxh3({})), "2d06800538d394c2");
  const std::string bytes(3'000'000, 'x');
  const auto all = std::as_bytes(std::span(bytes));
  Xxh3Stream stream;
  stream.update(all.first(7));
  stream.update(all.subspan(7));
  EXPECT_EQ(stream.digest(), xxh3(all));

  const TemporaryFolder folder;
  write_file(folder.path() / "file", bytes);
  EXPECT_EQ(xxh3_file(folder.path() / "file"), xxh3(all));
  EXPECT_EQ(xxh3_file(folder.path() / "file", 10, 20), xxh3(all.first(bytes.size() - 10)));
  expect_error([&] { xxh3_file(folder.path() / "missing"); }, {"missing", "No such file"});
}

TEST(Shards, GiveBackWhatWasWritten) {
  const TemporaryFolder folder;
  const ShardSchema schema = small_schema();
  write_small_set(folder.path(), {40, 40, 25});
  const ShardSet set = ShardSet::open(folder.path());

  EXPECT_EQ(set.size(), 105);
  EXPECT_EQ(set.classes(), schema.classes);
  EXPECT_EQ(set.folds(), schema.folds);
  EXPECT_EQ(set.index().shards[2].file, "small-00002-of-00003.h5");
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const ShardRecord expected = make_record(i, schema);
    EXPECT_EQ(set.key(i), expected.key);
    EXPECT_EQ(set.fold(i), expected.fold);
    EXPECT_EQ(set.length(i), expected.length);
    const std::vector<Label> labels = set.labels(i);
    ASSERT_EQ(labels.size(), expected.labels.size());
    for (std::size_t j = 0; j < labels.size(); ++j) {
      EXPECT_EQ(labels[j].index, expected.labels[j].index);
      EXPECT_EQ(labels[j].weight, 1);
    }
    std::vector<std::byte> stored(expected.values.size());
    set.read(i, 0, schema.features.frames, stored);
    EXPECT_EQ(stored, expected.values);
  }
}

TEST(Shards, GiveFramesFromTheMiddleVerifiedOrNot) {
  const TemporaryFolder folder;
  const ShardSchema schema = small_schema();
  write_small_set(folder.path(), {5});
  const ShardSet set = ShardSet::open(folder.path());
  const std::vector<std::byte> all = make_record(2, schema).values;
  const auto frame = static_cast<std::size_t>(2 * schema.features.mels);
  for (int time = 0; time < 2; ++time) {
    std::vector<std::byte> part(6 * frame);
    set.read(2, 3, 6, part);
    EXPECT_TRUE(std::ranges::equal(part, std::span(all).subspan(3 * frame, 6 * frame)));
  }
  set.read(2, 20, 0, {});
  std::vector<std::byte> part(6 * frame);
  expect_error([&] { set.read(2, 15, 6, part); }, {"features [15, 21)", "20 of 16 bytes"});
  expect_error([&] { set.read(5, 0, 6, part); }, {"no record 5", "5 records"});
}

TEST(Shards, RememberTheWeightsOfLabels) {
  const TemporaryFolder folder;
  const ShardSchema schema = small_schema();
  std::vector<ShardRecord> records = make_records(0, 3, schema);
  records[1].labels = {{0, 0.25f}, {3, 1}};
  write_shard(folder.path() / "x.h5", schema, records);
  const ShardFile shard = ShardFile::open(folder.path() / "x.h5");
  EXPECT_EQ(shard.labels(1)[0].weight, 0.25f);
  EXPECT_EQ(shard.labels(1)[1].weight, 1);
  EXPECT_EQ(shard.labels(2)[0].weight, 1);
}

TEST(Shards, AreByteForByteReproducible) {
  const TemporaryFolder first, second;
  write_small_set(first.path(), {40, 25});
  write_small_set(second.path(), {40, 25});
  for (const auto& entry : fs::directory_iterator(first.path())) {
    EXPECT_EQ(read_file(entry.path()), read_file(second.path() / entry.path().filename())) << entry.path();
  }
}

TEST(Shards, RecordsBeginAtAMultipleOf4096) {
  const TemporaryFolder folder;
  const ShardIndex index = write_small_set(folder.path(), {40});
  EXPECT_EQ(index.shards[0].offset % 4096, 0);
}

TEST(Shards, FoldsSelectRecordsInOrder) {
  const TemporaryFolder folder;
  const ShardIndex index = write_small_set(folder.path(), {7, 8});
  const ShardSet set = ShardSet::open(folder.path());
  EXPECT_EQ(index.fold_counts, (std::vector<std::int64_t>{9, 3, 3}));
  EXPECT_EQ(set.records(Strings{"validation", "test"}), (std::vector<std::int64_t>{3, 4, 8, 9, 13, 14}));
  expect_error<UsageError>([&] { (void)set.records(Strings{"tset"}); },
                           {"'tset'", "train, validation, test"});

  const std::vector<Example> clips = whole_clips(set, set.records(Strings{"test"}));
  EXPECT_EQ(clips[1].record, 9);
  EXPECT_EQ(clips[1].length, set.length(9));
  EXPECT_EQ(clips[1].group, 9);
}

TEST(Shards, StatisticsAreOfTheValidFramesOfFoldZero) {
  const TemporaryFolder folder, other;
  const ShardSchema schema = small_schema();
  const ShardIndex index = write_small_set(folder.path(), {20, 10});
  double sum = 0, squares = 0;
  std::int64_t frames = 0;
  std::vector<std::int64_t> classes(4);
  for (std::int64_t i = 0; i < 30; ++i) {
    const ShardRecord record = make_record(i, schema);
    for (const Label& label : record.labels) ++classes[static_cast<std::size_t>(label.index)];
    if (record.fold != 0) continue;
    const std::vector<float> values = record_values(i, schema);
    for (std::int64_t j = 0; j < std::int64_t{record.length} * 8; ++j) {
      sum += values[static_cast<std::size_t>(j)];
      squares += std::pow(static_cast<double>(values[static_cast<std::size_t>(j)]), 2);
    }
    frames += record.length;
  }
  const auto count = static_cast<double>(frames * 8);
  EXPECT_EQ(index.statistics.frames, frames);
  EXPECT_NEAR(index.statistics.mean, sum / count, 1e-12);
  EXPECT_NEAR(index.statistics.std, std::sqrt(squares / count - std::pow(sum / count, 2)), 1e-12);
  EXPECT_EQ(index.class_counts, classes);
}

TEST(Shards, IndexReadsBackAsWritten) {
  const TemporaryFolder folder;
  ShardSchema schema = small_schema();
  schema.features.downmix = "mean";
  schema.features.frame_shift_ms = 12.5;
  const ShardIndex written = write_small_set(folder.path(), {20, 10}, schema);
  const std::string bytes = read_file(folder.path() / "index.json");
  const ShardIndex read = read_index(folder.path());
  EXPECT_EQ(read.schema.features.downmix, "mean");
  EXPECT_EQ(read.schema.features.frame_shift_ms, 12.5);
  EXPECT_EQ(read.shards[1].xxh3, written.shards[1].xxh3);
  EXPECT_EQ(read.statistics.mean, written.statistics.mean);
  write_index(folder.path(), read);
  EXPECT_EQ(read_file(folder.path() / "index.json"), bytes);
}

TEST(Shards, WriterRefusesWhatWouldSpoilTraining) {
  const TemporaryFolder folder;
  const ShardSchema schema = small_schema();
  const fs::path path = folder.path() / "x.h5";
  const auto refused = [&](auto change, std::initializer_list<std::string> parts) {
    std::vector<ShardRecord> records = make_records(0, 3, schema);
    change(records[1]);
    expect_error([&] { write_shard(path, schema, records); }, parts);
    EXPECT_TRUE(fs::is_empty(folder.path()));
  };
  const std::string key = make_record(1, schema).key;
  refused([](ShardRecord& r) { r.labels = {{4, 1}}; }, {key, path.string(), "label 4", "[0, 4)"});
  refused([](ShardRecord& r) { r.fold = 3; }, {key, "fold 3"});
  refused([](ShardRecord& r) { r.length = 21; }, {key, "length 21"});
  refused([](ShardRecord& r) { r.values.pop_back(); }, {key, "319 bytes", "320"});
  refused([](ShardRecord& r) { r.values[19] = std::byte{0x7e}; }, {key, "feature 1 of frame 1", "nan"});
  expect_error([&] { write_shard(path, schema, {}); }, {path.string(), "no records"});
  expect_error([&] { write_shard(folder.path() / "missing" / "x.h5", schema, make_records(0, 1, schema)); },
               {"missing/x.h5", "HDF5", "No such file"});
}

// Damage of every kind is refused with the file's name.
class ShardDamage : public testing::Test {
 protected:
  ShardDamage() { index_ = write_small_set(folder_.path(), {40, 25}); }

  fs::path file(const std::string& name) const { return folder_.path() / name; }
  fs::path shard() const { return file(index_.shards[1].file); }

  void flip(const fs::path& path, std::int64_t at) const {
    std::string bytes = read_file(path);
    bytes[static_cast<std::size_t>(at)] ^= 1;
    write_file(path, bytes);
  }
  void replace(const fs::path& path, const std::string& from, const std::string& to) const {
    std::string bytes = read_file(path);
    bytes.replace(bytes.find(from), from.size(), to);
    write_file(path, bytes);
  }
  void open() const { ShardSet::open(folder_.path()); }
  void refused(std::initializer_list<std::string> parts) const {
    expect_error([this] { open(); }, parts);
  }

  TemporaryFolder folder_;
  ShardIndex index_;
};

TEST_F(ShardDamage, TruncatedShard) {
  fs::resize_file(shard(), static_cast<std::uintmax_t>(index_.shards[1].bytes - 1));
  refused({shard().string(), "bytes"});
  // Without the index's word: HDF5 notices.
  expect_error([this] { ShardFile::open(shard()); }, {shard().string(), "truncated"});
}

TEST_F(ShardDamage, MissingShard) {
  fs::remove(shard());
  refused({shard().string(), "No such file", "tutti shard"});
}

TEST_F(ShardDamage, BitFlippedInARecord) {
  const RecordLayout layout = record_layout(index_.schema);
  const std::size_t size = static_cast<std::size_t>(layout.most_steps) * layout.step_bytes();
  flip(shard(), index_.shards[1].offset + 3 * static_cast<std::int64_t>(size) + 11);
  const ShardSet set = ShardSet::open(folder_.path());
  std::vector<std::byte> out(size);
  const auto frame = static_cast<std::size_t>(2 * index_.schema.features.mels);
  set.read(42, 0, 20, out);
  expect_error([&] { set.read(43, 0, 20, out); }, {shard().string(), "record 3", "43.ogg", "checksum"});
  // Also where only an undamaged frame of it is asked for, and again.
  expect_error([&] { set.read(43, 5, 1, std::span(out).first(frame)); }, {shard().string()});
}

TEST_F(ShardDamage, BitFlippedAnywhereElse) {
  const ShardEntry& entry = index_.shards[1];
  const auto end =
      entry.offset + entry.steps * static_cast<std::int64_t>(record_layout(index_.schema).step_bytes());
  const std::string whole = read_file(shard());
  for (std::int64_t at = 0; at < entry.bytes; at += 97) {
    if (at >= entry.offset && at < end) continue;
    flip(shard(), at);
    refused({shard().string()});
    write_file(shard(), whole);
  }
}

// Without an index each dataset's own checksum tells which one is damaged.
TEST_F(ShardDamage, BitFlippedInAColumn) {
  const std::string whole = read_file(shard());
  const std::string key = make_record(45, index_.schema).key;
  flip(shard(), static_cast<std::int64_t>(whole.find(key)) + 2);
  expect_error([this] { ShardFile::open(shard()); }, {shard().string(), "'key'", "checksum"});
}

// (HDF5 1.10 leaks what it fails to open, and says "infinite loop closing library" at exit; so does h5dump.)
TEST_F(ShardDamage, NeverReadsWrongMetadataOfAShardAlone) {
  const ShardEntry& entry = index_.shards[1];
  const auto end =
      entry.offset + entry.steps * static_cast<std::int64_t>(record_layout(index_.schema).step_bytes());
  const std::string whole = read_file(shard());
  int refused = 0;
  for (std::int64_t at = 0; at < entry.bytes; at += 53) {
    if (at >= entry.offset && at < end) continue;
    flip(shard(), at);
    try {
      const ShardFile shard = ShardFile::open(this->shard());
      // Bytes that nobody reads: the gaps that alignment leaves.
      EXPECT_EQ(shard.size(), entry.count);
      EXPECT_EQ(shard.key(7), make_record(47, index_.schema).key);
    } catch (const Error&) {
      ++refused;
    }
    write_file(shard(), whole);
  }
  EXPECT_GT(refused, 5);
}

TEST_F(ShardDamage, AnotherFormatVersion) {
  replace(file("index.json"), "\"format_version\": 1", "\"format_version\": 2");
  refused({file("index.json").string(), "format_version 2", "reads 1"});
}

TEST_F(ShardDamage, ChangedIndex) {
  replace(file("index.json"), "\"count\": 25", "\"count\": 24");
  refused({file("index.json").string(), "checksum"});
}

TEST_F(ShardDamage, AnyByteOrCutOfTheIndex) {
  const std::string whole = read_file(file("index.json"));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
    for (const std::string& bytes : {changed, whole.substr(0, at)}) {
      std::ofstream(file("index.json"), std::ios::binary) << bytes;
      refused({file("index.json").string()});
      if (HasFailure()) FAIL() << "at " << at;
    }
  }
}

TEST_F(ShardDamage, IndexThatIsNoIndex) {
  const auto with = [this](const std::string& bytes, std::initializer_list<std::string> parts) {
    write_file(file("index.json"), bytes);
    refused(parts);
  };
  const std::string name = file("index.json").string();
  with("{\"format_version\": 1", {name, "not JSON"});
  with("[]", {name, "'format_version' is missing"});
  with("{}", {name, "'format_version' is missing"});
  with("{\"format_version\": \"1\"}", {name, "'format_version'", "integer"});
  with("{\"format_version\": 1}", {name, "'xxh3' is missing"});
  with(std::string(100'000, '['), {name, "64 levels"});
  fs::remove(file("index.json"));
  refused({folder_.path().string(), "no index.json"});
}

// What tests/fuzz looks for: content that no writer of ours would have given its checksum.
TEST_F(ShardDamage, IndexWithImpossibleContent) {
  const auto path = file("index.json");
  auto sound = nlohmann::ordered_json::parse(read_file(path));
  sound.erase("xxh3");
  const auto with = [&](auto change, std::initializer_list<std::string> parts) {
    auto json = sound;
    change(json);
    const std::string content = json.dump();
    json["xxh3"] = hex(xxh3(std::as_bytes(std::span(content))));
    write_file(path, json.dump(1) + "\n");
    expect_error([&] { read_index(folder_.path()); }, parts);
  };
  const std::string name = path.string();
  with([](auto& json) { json["class_counts"][0] = 1e300; }, {name, "'class_counts'", "integers"});
  with([](auto& json) { json["classes"][1] = 7; }, {name, "'classes'", "wrong kind"});
  with([](auto& json) { json["folds"] = json["fold_counts"] = nlohmann::json::array(); }, {name, "no folds"});
  with(
      [](auto& json) {
        for (auto& shard : json["shards"]) shard["bytes"] = std::numeric_limits<std::int64_t>::max();
      },
      {name, "2^63 bytes"});
}

// Written by HDF5 itself, so that its own checksums hold.
TEST_F(ShardDamage, ShardWithImpossibleAttributes) {
  const std::string whole = read_file(shard());
  const auto with = [&](const char* name, hid_t type, const void* value,
                        std::initializer_list<std::string> parts) {
    write_file(shard(), whole);
    {
      const Hdf5Handle file(H5Fopen(shard().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
      ASSERT_GE(H5Adelete(file.get(), name), 0);
      if (value) {
        const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
        const Hdf5Handle attribute(H5Acreate2(file.get(), name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                                   H5Aclose);
        ASSERT_GE(H5Awrite(attribute.get(), type, value), 0);
      }
    }
    expect_error([this] { ShardFile::open(shard()); }, parts);
  };
  const std::string name = shard().string();
  const hid_t integer = stored_type<std::int64_t>(), real = stored_type<double>();
  const std::int64_t minus_one = -1, many = 1'000'000, seven = 7;
  const double ten = 10;
  with("mels", integer, nullptr, {name, "no attribute 'mels'"});
  with("mels", integer, &minus_one, {name, "'mels'", "-1"});
  with("mels", integer, &seven, {name, "its attributes say"});
  with("mels", real, &ten, {name, "'mels'", "unexpected type"});
  with("downmix", text_type(4).get(), "left", {name, "'downmix'", "left"});
  with("downmix", integer, &seven, {name, "'downmix'", "not a string"});
  with("fold0_frames", integer, &many, {name, "fold0_frames is 1000000"});
  with("classes", integer, &minus_one, {name, "of -1"});
  with("format_version", integer, &seven, {name, "format_version 7"});
}

TEST_F(ShardDamage, ShardOfAnotherSet) {
  ShardSchema other = index_.schema;
  other.features.frame_shift_ms = 20;
  write_shard(shard(), other, make_records(40, 25, other));
  refused({shard().string(), "not the shard that index.json lists"});
  expect_error(
      [this] { (void)describe_shards(folder_.path(), "small", index_.schema, {index_.shards[1].file}); },
      {shard().string(), "other settings", "\"frame_shift_ms\":20.0", "\"frame_shift_ms\":10.0"});
}

}  // namespace
}  // namespace tutti::data
