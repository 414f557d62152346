#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "data/checksum.h"
#include "data/shard_file.h"
#include "data/shard_index.h"
#include "models/safetensors.h"
#include "recipes/checkpoint.h"
#include "recipes/environment.h"
#include "recipes/inspect.h"
#include "recipes/model_file.h"
#include "recipes/run_log.h"
#include "recipes/shard.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Fields& fields) {
  Json json = Json::object();
  for (const auto& field : fields)
    json[field.name] = std::visit([](const auto* value) { return Json(*value); }, field.target);
  return json;
}

// Tables by name; tables of an array ("groups.0") as a list.
Json to_json(const Sections& sections) {
  Json json = Json::object();
  for (const auto& section : sections) {
    const auto dot = section.name.find('.');
    if (dot == section.name.npos) {
      json[section.name] = to_json(section.fields);
    } else {
      json[section.name.substr(0, dot)].push_back(to_json(section.fields));
    }
  }
  return json;
}

Json shards_json(const fs::path& folder) {
  auto index = data::read_index(folder);
  Json json = {{"name", index.name},
               {"record_kind", index.schema.kind},
               {"clips", index.records()},
               {"features", to_json(data::stored_fields(index.schema.features))},
               {"mean", index.statistics.mean},
               {"std", index.statistics.std},
               {"frames", index.statistics.frames}};
  for (std::size_t f = 0; f < index.fold_counts.size(); ++f)
    json["folds"][index.schema.folds[f]] = index.fold_counts[f];
  for (std::size_t c = 0; c < index.class_counts.size(); ++c)
    json["classes"].push_back({{"name", index.schema.classes[c]}, {"clips", index.class_counts[c]}});
  for (const auto& shard : index.shards) {
    json["shards"].push_back({{"file", shard.file},
                              {"clips", shard.count},
                              {"bytes", shard.bytes},
                              {"offset", shard.offset},
                              {"xxh3", data::hex(shard.xxh3)}});
  }
  return json;
}

Json shard_json(const fs::path& path) {
  const auto shard = data::ShardFile::open(path);
  auto features = shard.features();
  Json json = {{"record_kind", shard.kind()},
               {"clips", shard.size()},
               {"records_bytes", shard.records_bytes()},
               {"offset", shard.offset()},
               {"classes", shard.classes()},
               {"features", to_json(data::stored_fields(features))},
               {"keys", Json::array()}};
  for (std::int64_t record = 0; record < shard.size(); ++record) json["keys"].push_back(shard.key(record));
  return json;
}

Json recipe_json(Recipe recipe) { return to_json(sections(recipe)); }

// Metadata as they are, but the recipe and what is JSON already as objects.
Json weights_json(const fs::path& path) {
  const models::SafetensorsReader reader(path);
  Json json = {
      {"file", path.string()}, {"numbers", 0}, {"tensors", Json::array()}, {"metadata", Json::object()}};
  std::int64_t total = 0;
  for (const auto& entry : reader.header().entries) {
    std::int64_t count = 1;
    for (const auto extent : entry.shape) count *= extent;
    total += count;
    json["tensors"].push_back(
        {{"name", entry.name}, {"dtype", models::name_of(entry.dtype)}, {"shape", entry.shape}});
  }
  json["numbers"] = total;
  for (const auto& [key, value] : reader.header().metadata) {
    if (key == "recipe") {
      json[key] = recipe_json(parse_recipe(value, path.string()));
      continue;
    }
    const auto parsed = Json::parse(value, nullptr, /*allow_exceptions=*/false);
    if (key == "classes" && parsed.is_array()) json[key] = parsed;
    if (key != "classes") json["metadata"][key] = value;
  }
  return json;
}

Json checkpoint_json(const fs::path& folder) {
  const auto weights = find_weights(folder);
  Json json = {{"checkpoint", fs::canonical(weights.parent_path()).filename().string()}};
  const auto state = weights.parent_path() / "state.json";
  if (fs::exists(state)) json["state"] = Json::parse(read_file(state), nullptr, /*allow_exceptions=*/false);
  json.update(weights_json(weights));
  return json;
}

Json seconds_json(const PartSeconds& seconds) {
  Json json = Json::object();
  for (const auto& [part, value] : seconds) json[part] = value;
  return json;
}

Json run_json(const fs::path& run) {
  Json json = {{"recipe", recipe_json(read_recipe(run / "recipe.toml"))}, {"environment", Json::object()}};
  for (const auto& [name, value] : read_environment(run)) json["environment"][name] = value;

  const auto log = run / "metrics.jsonl";
  const auto history = fs::exists(log) ? read_history(log) : RunHistory{};
  if (!history.steps.empty()) {
    const auto& last = history.steps.back();
    json["last_step"] = {{"step", last.step},
                         {"epoch", last.epoch},
                         {"loss", last.loss},
                         {"lr", last.lr},
                         {"gradient_norm", last.gradient_norm},
                         {"clips_per_second", last.clips_per_second},
                         {"seconds", seconds_json(last.seconds)}};
  }
  if (!history.validations.empty()) {
    const auto& last = history.validations.back();
    json["last_validation"] = {{"step", last.step}, {"epoch", last.epoch}, {"split", last.split}};
    for (const auto& [name, value] : last.metrics) json["last_validation"][name] = value;
  }
  json["checkpoints"] = Json::array();
  for (const auto& name : checkpoint_names(run)) json["checkpoints"].push_back(name);
  for (const auto* link : {"latest", "best"}) {
    const auto path = run / "checkpoints" / link;
    if (fs::exists(path)) json[link] = fs::canonical(path).filename().string();
  }
  return json;
}

Json shard_config_json(const fs::path& path) {
  auto config = read_shard_config(path);
  return to_json(sections(config));
}

Json describe(FileKind kind, const fs::path& path) {
  switch (kind) {
    case FileKind::shards:
      return shards_json(path);
    case FileKind::shard:
      return shard_json(path);
    case FileKind::run:
      return run_json(path);
    case FileKind::checkpoint:
      return checkpoint_json(path);
    case FileKind::weights:
      return weights_json(path);
    case FileKind::recipe:
      return {{"recipe", recipe_json(read_recipe(path))}};
    case FileKind::shard_config:
      return {{"config", shard_config_json(path)}};
  }
  return {};
}

std::string name_of(FileKind kind) {
  constexpr std::string_view names[] = {"shards",  "shard",  "run",         "checkpoint",
                                        "weights", "recipe", "shard_config"};
  return std::string(names[static_cast<int>(kind)]);
}

}  // namespace

std::string inspect_json(const fs::path& path) {
  const auto kind = kind_of(path);
  Json json = {{"kind", name_of(kind)}, {"path", path.string()}};
  json.update(describe(kind, path));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tutti::recipes
