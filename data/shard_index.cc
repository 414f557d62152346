#include "data/shard_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>

#include "base/error.h"
#include "base/files.h"
#include "base/json_depth.h"
#include "data/checksum.h"
#include "data/shard_file.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string checksum(const Json& json) {
  const std::string bytes = json.dump();
  return hex(xxh3(std::as_bytes(std::span(bytes))));
}

std::string laid_out(const Json& json) { return json.dump(1) + "\n"; }

// The values of a JSON file, with errors that name it and the key.
class Reader {
 public:
  Reader(fs::path path, const Json& object, std::string where = {})
      : path_(std::move(path)), object_(object), where_(std::move(where)) {}

  template <class T>
  T get(const std::string& key) const {
    const Json& value = at(key);
    if constexpr (std::is_same_v<T, std::int64_t>) {
      if (!value.is_number_integer()) refuse("key '", where_, key, "' is not an integer");
    }
    if constexpr (std::is_same_v<T, Integers>) {
      const auto is_integer = [](const Json& item) { return item.is_number_integer(); };
      if (!value.is_array() || !std::ranges::all_of(value, is_integer))
        refuse("key '", where_, key, "' is not a list of integers");
    }
    try {
      return value.get<T>();
    } catch (const Json::exception&) {
      refuse("key '", where_, key, "' has a value of the wrong kind: ", value.dump().substr(0, 60));
    }
  }

  Reader object(const std::string& key) const { return {path_, at(key), where_ + key + "."}; }

  std::vector<Reader> objects(const std::string& key) const {
    const Json& list = at(key);
    if (!list.is_array()) refuse("key '", where_, key, "' is not a list");
    std::vector<Reader> result;
    for (const Json& item : list)
      result.emplace_back(path_, item, text(where_, key, "[", result.size(), "]."));
    return result;
  }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... reason) const {
    throw Error(text("'", path_.native(), "' is not an index of shards"), text(reason...), kWriteAgain);
  }

 private:
  const Json& at(const std::string& key) const {
    if (!object_.is_object() || !object_.contains(key)) refuse("key '", where_, key, "' is missing");
    return object_.at(key);
  }

  fs::path path_;
  const Json& object_;
  std::string where_;
};

std::uint64_t get_checksum(const Reader& reader, const std::string& key) {
  const auto digits = reader.get<std::string>(key);
  const std::uint64_t value = std::strtoull(digits.c_str(), nullptr, 16);
  if (hex(value) != digits) reader.refuse("key '", key, "' is not 16 hexadecimal digits");
  return value;
}

Json to_json(const FeatureOptions& options) {
  FeatureOptions features = options;
  Json json;
  for (const Field& field : stored_fields(features)) {
    std::visit([&](const auto* value) { json[field.name] = *value; }, field.target);
  }
  return json;
}

Json to_json(const ShardEntry& shard, const RecordLayout& layout) {
  Json json = {
      {"file", shard.file}, {"count", shard.count}, {"bytes", shard.bytes}, {"offset", shard.offset}};
  if (layout.ragged) json[layout.dataset] = shard.steps;
  json["xxh3"] = hex(shard.xxh3);
  json["fold0_sum"] = shard.sums.sum;
  json["fold0_squares"] = shard.sums.squares;
  json["fold0_frames"] = shard.sums.frames;
  return json;
}

// How many steps the records of a shard have together; of a ragged kind only the shard itself can tell.
std::int64_t steps_of(const Reader& reader, const ShardEntry& shard, const RecordLayout& layout) {
  if (layout.ragged) return reader.get<std::int64_t>(layout.dataset);
  std::int64_t steps = 0;
  if (__builtin_mul_overflow(shard.count, layout.most_steps, &steps))
    reader.refuse("'", shard.file, "' would hold ", shard.count, " records");
  return steps;
}

ShardEntry entry(const Reader& reader, const RecordLayout& layout) {
  ShardEntry shard;
  shard.file = reader.get<std::string>("file");
  shard.count = reader.get<std::int64_t>("count");
  shard.bytes = reader.get<std::int64_t>("bytes");
  shard.offset = reader.get<std::int64_t>("offset");
  shard.xxh3 = get_checksum(reader, "xxh3");
  shard.sums.sum = reader.get<double>("fold0_sum");
  shard.sums.squares = reader.get<double>("fold0_squares");
  shard.sums.frames = reader.get<std::int64_t>("fold0_frames");
  if (shard.file.empty() || fs::path(shard.file).filename() != shard.file) {
    reader.refuse("'", shard.file, "' is not the name of a file in this folder");
  }
  shard.steps = steps_of(reader, shard, layout);
  if (shard.count < 1 || shard.count > shard.bytes || shard.offset < 0 || shard.offset > shard.bytes ||
      shard.steps < 0 ||
      shard.steps > (shard.bytes - shard.offset) / static_cast<std::int64_t>(layout.step_bytes())) {
    reader.refuse(shard.count, " records at ", shard.offset, " do not fit into the ", shard.bytes,
                  " bytes of ", shard.file);
  }
  return shard;
}

ShardSchema schema(const Reader& reader) {
  ShardSchema result;
  result.kind = reader.get<std::string>("kind");
  result.classes = reader.get<Strings>("classes");
  result.folds = reader.get<Strings>("folds");
  const Reader features = reader.object("features");
  for (const Field& field : stored_fields(result.features)) {
    std::visit([&](auto* value) { *value = features.get<std::decay_t<decltype(*value)>>(field.name); },
               field.target);
    if (const std::string wrong = complaint(field); !wrong.empty()) {
      reader.refuse("features.", field.name, " ", wrong);
    }
  }
  return result;
}

bool same(const FeatureOptions& a, const FeatureOptions& b) { return to_json(a) == to_json(b); }

}  // namespace

std::int64_t ShardIndex::records() const {
  return std::accumulate(shards.begin(), shards.end(), std::int64_t{0},
                         [](std::int64_t sum, const ShardEntry& shard) { return sum + shard.count; });
}

ShardIndex describe_shards(const fs::path& folder, const std::string& name, const ShardSchema& schema,
                           const Strings& files) {
  ShardIndex index;
  index.name = name;
  index.schema = schema;
  index.fold_counts.resize(schema.folds.size());
  index.class_counts.resize(schema.classes.size());
  for (const std::string& file : files) {
    const fs::path path = folder / file;
    const ShardFile shard = ShardFile::open(path);
    if (shard.kind() != schema.kind || !same(shard.features(), schema.features) ||
        shard.classes() != std::ssize(schema.classes)) {
      throw Error(text("'", path.native(), "' was made with other settings than the set it is in"),
                  text(shard.kind(), ", ", shard.classes(), " classes, ", to_json(shard.features()).dump(),
                       " instead of ", schema.kind, ", ", schema.classes.size(), " classes, ",
                       to_json(schema.features).dump()),
                  "Remove it, and run tutti shard again");
    }
    shard.check_folds(schema.folds);
    const auto end = shard.offset() + shard.records_bytes();
    index.shards.push_back(
        {.file = file,
         .count = shard.size(),
         .bytes = shard.bytes(),
         .offset = shard.offset(),
         .steps = shard.records_bytes() / static_cast<std::int64_t>(shard.layout().step_bytes()),
         .xxh3 = xxh3_file(path, shard.offset(), end),
         .sums = shard.sums()});
    for (std::int64_t i = 0; i < shard.size(); ++i) {
      ++index.fold_counts[static_cast<std::size_t>(shard.fold(i))];
      for (const Label& label : shard.labels(i)) ++index.class_counts[static_cast<std::size_t>(label.index)];
    }
  }
  std::vector<FeatureSums> sums;
  for (const ShardEntry& shard : index.shards) sums.push_back(shard.sums);
  index.statistics = statistics(sums, schema.features.mels);
  return index;
}

void write_index(const fs::path& folder, const ShardIndex& index) {
  Json json;
  json["format_version"] = kShardFormatVersion;
  json["name"] = index.name;
  json["kind"] = index.schema.kind;
  json["features"] = to_json(index.schema.features);
  json["classes"] = index.schema.classes;
  json["class_counts"] = index.class_counts;
  json["folds"] = index.schema.folds;
  json["fold_counts"] = index.fold_counts;
  json["statistics"] = {
      {"mean", index.statistics.mean}, {"std", index.statistics.std}, {"frames", index.statistics.frames}};
  json["shards"] = Json::array();
  const RecordLayout layout = record_layout(index.schema);
  for (const ShardEntry& shard : index.shards) json["shards"].push_back(to_json(shard, layout));
  const fs::path path = folder / "index.json";
  try {
    json["xxh3"] = checksum(json);
    replace_file(path, laid_out(json));
  } catch (const Json::exception& error) {
    throw Error(text("cannot write '", path.native(), "'"), error.what(),
                "Names of classes, folds and files must be UTF-8");
  }
}

ShardIndex read_index(const fs::path& folder) {
  const fs::path path = folder / "index.json";
  if (!fs::exists(path)) {
    throw Error(text("'", folder.native(), "' is not a folder of shards"), "it has no index.json",
                "tutti shard writes it last: run it again to complete the folder");
  }
  const std::string bytes = read_file(path);
  if (nests_too_deep(bytes)) {
    throw Error(text("'", path.native(), "' is not an index of shards"),
                text("it nests deeper than ", kDeepestJson, " levels"), kWriteAgain);
  }
  Json json;
  try {
    json = Json::parse(bytes);
  } catch (const Json::exception& error) {
    throw Error(text("'", path.native(), "' is not JSON"), error.what(), kWriteAgain);
  }
  const Reader reader(path, json);
  if (const auto version = reader.get<std::int64_t>("format_version"); version != kShardFormatVersion) {
    throw Error(text("'", path.native(), "' has format_version ", version),
                text("this tutti reads ", kShardFormatVersion),
                "Run tutti shard again, or use the tutti that wrote it");
  }
  Json content = json;
  content.erase("xxh3");
  if (reader.get<std::string>("xxh3") != checksum(content))
    reader.refuse("its checksum does not hold: it was changed after it was written");
  // The text too: a number with another last digit may be the same double.
  if (laid_out(json) != bytes) reader.refuse("its text is not laid out as it was written: it was changed");

  ShardIndex index;
  index.name = reader.get<std::string>("name");
  index.schema = schema(reader);
  const RecordLayout layout = record_layout(index.schema);
  std::int64_t bytes_of_all = 0;
  for (const Reader& shard : reader.objects("shards")) {
    index.shards.push_back(entry(shard, layout));
    if (__builtin_add_overflow(bytes_of_all, index.shards.back().bytes, &bytes_of_all))
      reader.refuse("its shards have more than 2^63 bytes");
  }
  if (index.schema.folds.empty()) reader.refuse("it names no folds");
  index.class_counts = reader.get<Integers>("class_counts");
  index.fold_counts = reader.get<Integers>("fold_counts");
  if (index.class_counts.size() != index.schema.classes.size() ||
      index.fold_counts.size() != index.schema.folds.size()) {
    reader.refuse("class_counts and fold_counts must be as long as classes and folds");
  }
  const Reader statistics = reader.object("statistics");
  index.statistics = {statistics.get<double>("mean"), statistics.get<double>("std"),
                      statistics.get<std::int64_t>("frames")};
  return index;
}

}  // namespace tutti::data
