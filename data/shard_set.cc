#include "data/shard_set.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "data/checksum.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

// Looks at the bytes before HDF5 does: all of them but the records.
void check_bytes(const fs::path& path, const ShardEntry& entry, std::size_t step_bytes) {
  std::error_code failed;
  const auto bytes = fs::file_size(path, failed);
  if (failed) {
    throw Error(text("cannot open '", path.native(), "'"), failed.message(),
                "index.json lists it: copy it again from where it is whole, or run tutti shard again");
  }
  if (bytes != static_cast<std::uintmax_t>(entry.bytes)) {
    throw Error(text("'", path.native(), "' is not the shard that index.json lists"),
                text("it has ", bytes, " bytes, and should have ", entry.bytes), kWriteAgain);
  }
  const auto end = entry.offset + entry.steps * static_cast<std::int64_t>(step_bytes);
  if (xxh3_file(path, entry.offset, end) != entry.xxh3) {
    throw Error(text("'", path.native(), "' is not the shard that index.json lists"),
                "the checksum over its labels, keys and headers does not hold: it is damaged or another",
                kWriteAgain);
  }
}

}  // namespace

ShardSet ShardSet::open(const fs::path& folder) {
  ShardSet set;
  set.folder_ = folder;
  set.index_ = read_index(folder);
  set.layout_ = record_layout(set.index_.schema);
  const auto size = static_cast<std::int64_t>(set.layout_.step_bytes());
  set.first_.push_back(0);
  for (const ShardEntry& entry : set.index_.shards) {
    const fs::path path = folder / entry.file;
    check_bytes(path, entry, set.layout_.step_bytes());
    ShardFile shard = ShardFile::open(path);
    if (shard.kind() != set.index_.schema.kind || shard.size() != entry.count ||
        shard.offset() != entry.offset || shard.records_bytes() != entry.steps * size ||
        shard.classes() != std::ssize(set.classes())) {
      throw Error(text("'", path.native(), "' is not the shard that index.json lists"),
                  text("it holds ", shard.size(), " ", shard.kind(), "s in ", shard.records_bytes(),
                       " bytes and ", shard.classes(), " classes, and should hold ", entry.count, " ",
                       set.index_.schema.kind, "s in ", entry.steps * size, " and ", set.classes().size()),
                  kWriteAgain);
    }
    shard.check_folds(set.folds());
    set.first_.push_back(set.first_.back() + shard.size());
    set.shards_.push_back(std::move(shard));
  }
  set.verified_ =
      std::make_unique<std::atomic<std::uint64_t>[]>(static_cast<std::size_t>(set.size()) / 64 + 1);
  return set;
}

ShardSet::Place ShardSet::place(std::int64_t record) const {
  if (record < 0 || record >= size()) {
    throw Error(text("there is no record ", record, " in '", folder_.native(), "'"),
                text("it holds ", size(), " records"));
  }
  const auto next = std::ranges::upper_bound(first_, record);
  const auto shard = static_cast<std::size_t>(next - first_.begin()) - 1;
  return {&shards_[shard], record - first_[shard]};
}

std::int16_t ShardSet::fold(std::int64_t record) const {
  const auto [shard, at] = place(record);
  return shard->fold(at);
}

std::int64_t ShardSet::frames(std::int64_t record) const { return layout_.frames(length(record)); }

std::int64_t ShardSet::length(std::int64_t record) const {
  const auto [shard, at] = place(record);
  return shard->length(at);
}

std::vector<Label> ShardSet::labels(std::int64_t record) const {
  const auto [shard, at] = place(record);
  return shard->labels(at);
}

std::string_view ShardSet::key(std::int64_t record) const {
  const auto [shard, at] = place(record);
  return shard->key(at);
}

std::vector<std::int64_t> ShardSet::records(std::span<const std::string> names) const {
  std::vector<bool> wanted(folds().size());
  for (const std::string& name : names) {
    const auto found = std::ranges::find(folds(), name);
    if (found == folds().end()) {
      std::string known;
      for (const std::string& fold : folds()) known += text(known.empty() ? "" : ", ", fold);
      throw UsageError(text("there is no fold '", name, "' in '", folder_.native(), "'"),
                       text("known: ", known));
    }
    wanted[static_cast<std::size_t>(found - folds().begin())] = true;
  }
  std::vector<std::int64_t> result;
  std::int64_t record = 0;
  for (const ShardFile& shard : shards_) {
    for (std::int64_t i = 0; i < shard.size(); ++i, ++record) {
      if (wanted[static_cast<std::size_t>(shard.fold(i))]) result.push_back(record);
    }
  }
  return result;
}

void ShardSet::read(std::int64_t record, std::int64_t start, std::int64_t count,
                    std::span<std::byte> out) const {
  const auto [shard, at] = place(record);
  const std::size_t step_bytes = layout_.step_bytes();
  if (start < 0 || count < 0 || start + count > shard->steps(at) ||
      out.size() != static_cast<std::size_t>(count) * step_bytes) {
    throw Error(text("cannot read ", layout_.dataset, " [", start, ", ", start + count, ") of record ",
                     record, " into ", out.size(), " bytes"),
                text("it has ", shard->steps(at), " of ", step_bytes, " bytes"));
  }
  const std::size_t begin = static_cast<std::size_t>(start) * step_bytes;
  std::atomic<std::uint64_t>& word = verified_[static_cast<std::size_t>(record) / 64];
  const std::uint64_t bit = std::uint64_t{1} << (record % 64);
  if (word.load(std::memory_order_relaxed) & bit) {
    shard->read(at, begin, out);
    return;
  }

  std::vector<std::byte> rest;  // stays empty where the whole record is asked for
  std::span<std::byte> whole = out;
  if (out.size() != shard->record_bytes(at)) {
    rest.resize(shard->record_bytes(at));
    whole = rest;
  }
  shard->read(at, 0, whole);
  if (xxh3(whole) != shard->checksum(at)) {
    throw Error(text("record ", at, " ('", shard->key(at), "') of '", shard->path().native(), "' is damaged"),
                "its checksum does not hold", kWriteAgain);
  }
  if (!rest.empty() && !out.empty()) std::memcpy(out.data(), rest.data() + begin, out.size());
  word.fetch_or(bit, std::memory_order_relaxed);
}

std::vector<Example> whole_clips(const ShardSet& shards, std::span<const std::int64_t> records) {
  std::vector<Example> examples;
  examples.reserve(records.size());
  for (const std::int64_t record : records) {
    const auto frames = static_cast<std::int32_t>(shards.frames(record));
    examples.push_back({.record = record, .start = 0, .length = frames, .group = record});
  }
  return examples;
}

}  // namespace tutti::data
