// Shards of kind "waveform", and what the loader makes of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "data/checksum.h"
#include "data/clip_windows.h"
#include "data/hdf5.h"
#include "data/loader.h"
#include "tests/data/shard_fixture.h"
#include "tests/expect_error.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

ShardSchema waveform_schema() {
  ShardSchema schema = small_schema();
  schema.kind = "waveform";
  return schema;
}

std::vector<std::int16_t> read_samples(const ShardSet& set, std::int64_t record, std::int64_t start,
                                       std::int64_t count) {
  std::vector<std::int16_t> samples(static_cast<std::size_t>(count));
  set.read(record, start, count, std::as_writable_bytes(std::span(samples)));
  return samples;
}

TEST(WaveformShards, GiveBackWhatWasWritten) {
  const TemporaryFolder folder;
  const ShardSchema schema = waveform_schema();
  const ShardIndex index = write_small_set(folder.path(), {40, 25}, schema);
  EXPECT_EQ(index.shards[0].offset % 4096, 0);
  const ShardSet set = ShardSet::open(folder.path());
  ASSERT_EQ(set.size(), 65);
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const std::vector<std::int16_t> expected = record_samples(i, schema);
    ASSERT_EQ(set.length(i), std::ssize(expected));
    EXPECT_EQ(set.frames(i), frame_count(schema.features, std::ssize(expected)));
    EXPECT_EQ(set.key(i), make_record(i, schema).key);
    // From the middle, then (verified by now) all.
    const std::vector<std::int16_t> middle(expected.begin() + 100, expected.begin() + 150);
    EXPECT_EQ(read_samples(set, i, 100, 50), middle);
    EXPECT_EQ(read_samples(set, i, 0, set.length(i)), expected);
  }
  expect_error([&] { read_samples(set, 3, 0, set.length(3) + 1); }, {"record 3", "samples [0, "});
}

TEST(WaveformShards, AreByteForByteReproducible) {
  const TemporaryFolder first, second;
  write_small_set(first.path(), {40, 25}, waveform_schema());
  write_small_set(second.path(), {40, 25}, waveform_schema());
  for (const auto& entry : fs::directory_iterator(first.path())) {
    EXPECT_EQ(read_file(entry.path()), read_file(second.path() / entry.path().filename())) << entry.path();
  }
}

TEST(WaveformShards, StatisticsAreThoseOfTheRecords) {
  const TemporaryFolder folder;
  const ShardSchema schema = waveform_schema();
  std::vector<ShardRecord> records = make_records(0, 2, schema);  // both of fold 0
  records[0].sums = {.sum = -8, .squares = 40, .frames = 1};
  records[1].sums = {.sum = -24, .squares = 200, .frames = 3};
  write_shard(folder.path() / "x.h5", schema, records);
  const ShardIndex index = describe_shards(folder.path(), "x", schema, {"x.h5"});
  EXPECT_EQ(index.statistics.frames, 4);
  EXPECT_EQ(index.statistics.mean, -1);                    // -32 / (4 frames x 8 mels)
  EXPECT_DOUBLE_EQ(index.statistics.std, std::sqrt(6.5));  // 240 / 32 - 1
}

TEST(WaveformShards, WriterRefusesWhatIsNoRecord) {
  const TemporaryFolder folder;
  const ShardSchema schema = waveform_schema();
  const auto refused = [&](auto change, std::initializer_list<std::string> parts) {
    std::vector<ShardRecord> records = make_records(0, 3, schema);
    change(records[1]);
    expect_error([&] { write_shard(folder.path() / "x.h5", schema, records); }, parts);
    EXPECT_TRUE(fs::is_empty(folder.path()));
  };
  const std::string key = make_record(1, schema).key;
  refused([](ShardRecord& r) { r.values.pop_back(); }, {key, "bytes"});
  refused([](ShardRecord& r) { r.length = 0, r.values.clear(); }, {key, "length 0", "[1, 3440]"});
  refused([](ShardRecord& r) { r.length = 3441; }, {key, "length 3441"});
}

class WaveformDamage : public testing::Test {
 protected:
  WaveformDamage() { index_ = write_small_set(folder_.path(), {40, 25}, waveform_schema()); }

  fs::path shard() const { return folder_.path() / index_.shards[1].file; }
  void flip(std::int64_t at) const {
    std::string bytes = read_file(shard());
    bytes[static_cast<std::size_t>(at)] ^= 1;
    write_file(shard(), bytes);
  }
  void refused(std::initializer_list<std::string> parts) const {
    expect_error([this] { ShardSet::open(folder_.path()); }, parts);
  }

  TemporaryFolder folder_;
  ShardIndex index_;
};

TEST_F(WaveformDamage, TruncatedShard) {
  fs::resize_file(shard(), static_cast<std::uintmax_t>(index_.shards[1].bytes - 1));
  refused({shard().string(), "bytes"});
  expect_error([this] { ShardFile::open(shard()); }, {shard().string(), "truncated"});
}

TEST_F(WaveformDamage, BitFlippedInARecord) {
  const std::int64_t first = record_samples(40, waveform_schema()).size();
  flip(index_.shards[1].offset + 2 * first);  // the second record's first sample
  const ShardSet set = ShardSet::open(folder_.path());
  (void)read_samples(set, 40, 0, set.length(40));
  expect_error([&] { read_samples(set, 41, 0, set.length(41)); },
               {shard().string(), "record 1", "41.ogg", "checksum"});
  expect_error([&] { read_samples(set, 41, 10, 5); }, {shard().string()});
}

TEST_F(WaveformDamage, BitFlippedAnywhereElse) {
  const ShardEntry& entry = index_.shards[1];
  const std::string whole = read_file(shard());
  int tried = 0;
  for (std::int64_t at = 0; at < entry.bytes; at += 97) {
    if (at >= entry.offset && at < entry.offset + 2 * entry.steps) continue;
    flip(at);
    refused({shard().string()});
    write_file(shard(), whole);
    ++tried;
  }
  EXPECT_GT(tried, 20);
}

// Written by HDF5 itself with checksums that hold: only its meaning is wrong.
TEST_F(WaveformDamage, OffsetsThatCannotBe) {
  const std::string whole = read_file(shard());
  const std::vector<std::int64_t> sound = [&] {
    std::vector<std::int64_t> offsets{0};
    for (std::int64_t i = 40; i < 65; ++i)
      offsets.push_back(offsets.back() + std::ssize(record_samples(i, waveform_schema())));
    return offsets;
  }();
  const auto with = [&](std::vector<std::int64_t> offsets, std::initializer_list<std::string> parts) {
    write_file(shard(), whole);
    {
      const Hdf5Handle file(H5Fopen(shard().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
      ASSERT_GE(H5Ldelete(file.get(), "offset", H5P_DEFAULT), 0);
      const hsize_t count = offsets.size();
      const Hdf5Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose);
      const hid_t type = stored_type<std::int64_t>();
      const Hdf5Handle dataset(
          H5Dcreate2(file.get(), "offset", type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
          H5Dclose);
      H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, offsets.data());
      const std::uint64_t checksum = xxh3(std::as_bytes(std::span(offsets)));
      const Hdf5Handle scalar(H5Screate(H5S_SCALAR), H5Sclose);
      const hid_t word = stored_type<std::uint64_t>();
      const Hdf5Handle attribute(
          H5Acreate2(dataset.get(), "xxh3", word, scalar.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
      H5Awrite(attribute.get(), word, &checksum);
    }
    if (std::ssize(parts) == 0) {
      EXPECT_EQ(ShardFile::open(shard()).size(), 25);
    } else {
      expect_error([this] { ShardFile::open(shard()); }, parts);
    }
  };
  const std::string name = shard().string();
  const auto changed = [&](std::size_t at, std::int64_t by) {
    std::vector<std::int64_t> offsets = sound;
    offsets[at] += by;
    return offsets;
  };
  with(sound, {});
  with(changed(0, 1), {name, "'offset'", "from 0"});
  with(changed(3, 1'000'000), {name, "'offset'", "ascend"});
  with(changed(25, 1), {name, "'offset'"});   // beyond the samples
  with(changed(25, -1), {name, "'offset'"});  // leaves one over
  with(changed(3, -1), {name, "record 2", "length"});
  with({}, {name, "'offset'"});
  with({0, sound.back()}, {name, "'length'"});  // one record, columns of 25
}

TEST_F(WaveformDamage, ShardOfAnotherKind) {
  ShardSchema other = small_schema();
  write_shard(shard(), other, make_records(40, 25, other));
  expect_error(
      [this] { (void)describe_shards(folder_.path(), "small", index_.schema, {index_.shards[1].file}); },
      {shard().string(), "other settings", "spectrogram", "waveform"});
}

TEST_F(WaveformDamage, IndexThatClaimsOtherSamples) {
  index_.shards[1].steps -= 1;
  write_index(folder_.path(), index_);
  refused({shard().string(), "not the shard that index.json lists"});
  index_.shards[1].steps = index_.shards[1].bytes;
  write_index(folder_.path(), index_);
  refused({"index.json", "do not fit"});
}

// Rows from the definitions: a crop begins `shift` samples a frame into the clip, zeros follow a clip.
TEST(WaveformLoader, RowsAreWhatTheirDrawsSay) {
  const TemporaryFolder folder;
  const ShardSchema schema = waveform_schema();
  write_small_set(folder.path(), {20, 17}, schema);
  const ShardSet set = ShardSet::open(folder.path());
  const Sampler sampler(whole_clips(set, set.records(Strings{"train"})), Order::shuffled, 5);
  EpochPlan plan;
  plan.batch = 7;
  plan.frames = 12;
  plan.augment = AugmentOptions{.mixup = 0.4};
  plan.seed = 9;
  const std::int64_t width = sample_count(schema.features, 12);
  int cropped = 0, short_clips = 0, mixed = 0;
  const auto expect_row = [&](const at::Tensor& input, const at::Tensor& length, std::int64_t row,
                              const Example& example, double crop) {
    const std::vector<std::int16_t> samples = record_samples(example.record, schema);
    const std::int64_t frames = frame_count(schema.features, std::ssize(samples));
    std::int64_t start = 0;
    if (frames > 12) start = 160 * static_cast<std::int64_t>(crop * static_cast<double>(frames - 12 + 1));
    const std::int64_t count = std::min(width, std::ssize(samples) - start);
    cropped += start > 0;
    short_clips += count < width;
    std::vector<std::int16_t> expected(static_cast<std::size_t>(width));
    std::copy_n(samples.begin() + start, count, expected.begin());
    const auto* values = input.const_data_ptr<std::int16_t>() + row * width;
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), values)) << example.record;
    EXPECT_EQ(length[row].item<std::int32_t>(), count);
  };
  Loader loader(set, sampler, plan);
  while (const std::optional<Batch> batch = loader.next()) {
    ASSERT_EQ(batch->input.sizes(), (at::IntArrayRef{batch->size(), width}));
    for (std::int64_t row = 0; row < batch->size(); ++row) {
      const Draws& draws = batch->draws[static_cast<std::size_t>(row)];
      expect_row(batch->input, batch->length, row, sampler.at(0, batch->positions[row].item<std::int64_t>()),
                 draws.crop);
      if (draws.partner >= 0) {
        ++mixed;
        expect_row(batch->partner, batch->partner_length, row, sampler.example(draws.partner),
                   draws.partner_crop);
      } else if (batch->partner.defined()) {
        EXPECT_EQ(batch->partner_length[row].item<std::int32_t>(), 0);
        EXPECT_EQ(batch->partner[row].ne(0).sum().item<std::int64_t>(), 0);
      }
    }
  }
  EXPECT_GT(cropped, 3);
  EXPECT_GT(short_clips, 3);
  EXPECT_GT(mixed, 3);
}

// Eight frames of every three, the last ones up to where the clip's frames end.
TEST(WaveformLoader, WindowsAreCountedInFrames) {
  const TemporaryFolder folder;
  const ShardSchema schema = waveform_schema();
  write_small_set(folder.path(), {3}, schema);
  const ShardSet set = ShardSet::open(folder.path());
  const std::vector<std::int16_t> samples = record_samples(1, schema);
  const std::int64_t frames = frame_count(schema.features, std::ssize(samples));
  ASSERT_EQ(frames, 18);
  const std::vector<Example> windows = clip_windows(set, std::vector<std::int64_t>{1}, 8, 3);
  ASSERT_EQ(windows.size(), 5);
  EpochPlan plan;
  plan.batch = 5;
  plan.frames = 8;
  const std::int64_t width = sample_count(schema.features, 8);
  const Sampler sampler(windows, Order::sequential, 0);
  Loader loader(set, sampler, plan);
  const std::optional<Batch> batch = loader.next();
  ASSERT_TRUE(batch.has_value());
  std::int64_t row = 0;
  for (const std::int64_t start : {0, 3, 6, 9, 10}) {
    const auto* values = batch->input.const_data_ptr<std::int16_t>() + row * width;
    EXPECT_TRUE(std::equal(values, values + width, samples.begin() + start * 160)) << start;
    EXPECT_EQ(batch->length[row++].item<std::int32_t>(), width);
  }
}

}  // namespace
}  // namespace tutti::data
