#include "recipes/inspect.h"

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "data/shard_file.h"
#include "data/shard_index.h"
#include "models/safetensors.h"
#include "recipes/checkpoint.h"
#include "recipes/model_file.h"
#include "recipes/recipe.h"
#include "recipes/run_log.h"
#include "recipes/shard.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

std::string of_features(data::FeatureOptions features) {
  std::string line;
  for (const auto& field : data::stored_fields(features))
    line += text(line.empty() ? "" : ", ", field.name, " ", tutti::to_toml(field));
  return line;
}

std::string inspect_shards(const fs::path& folder) {
  const auto index = data::read_index(folder);
  std::ostringstream out;
  out << "shards '" << index.name << "', kind " << index.schema.kind << '\n'
      << "clips     " << index.records() << " in " << index.shards.size() << " files\n"
      << "features  " << of_features(index.schema.features) << '\n'
      << "mean, std " << index.statistics.mean << ", " << index.statistics.std << " over "
      << index.statistics.frames << " frames of "
      << (index.fold_counts.front() > 0 ? text("fold '", index.schema.folds.front(), "'") : "all folds")
      << '\n';
  for (std::size_t f = 0; f < index.fold_counts.size(); ++f) {
    if (index.fold_counts[f] > 0)
      out << "fold      " << index.schema.folds[f] << ": " << index.fold_counts[f] << '\n';
  }
  for (std::size_t c = 0; c < index.class_counts.size(); ++c) {
    out << "class     " << c << ' ' << index.schema.classes[c] << ": " << index.class_counts[c] << '\n';
  }
  return out.str();
}

std::string inspect_shard(const fs::path& path) {
  const auto shard = data::ShardFile::open(path);
  std::ostringstream out;
  out << "one shard, kind " << shard.kind() << '\n'
      << "clips     " << shard.size() << " in " << shard.records_bytes() << " bytes, from byte "
      << shard.offset() << " on\n"
      << "features  " << of_features(shard.features()) << '\n'
      << "classes   " << shard.classes() << '\n';
  if (shard.size() > 0) out << "keys      " << shard.key(0) << " ... " << shard.key(shard.size() - 1) << '\n';
  return out.str();
}

std::string inspect_weights(const fs::path& path) {
  const models::SafetensorsReader reader(path);
  std::ostringstream out;
  std::int64_t total = 0;
  for (const auto& entry : reader.header().entries) {
    std::int64_t count = 1;
    out << std::left << std::setw(44) << entry.name << ' ' << models::name_of(entry.dtype) << " [";
    for (std::size_t i = 0; i < entry.shape.size(); ++i) {
      out << (i ? ", " : "") << entry.shape[i];
      count *= entry.shape[i];
    }
    out << "]\n";
    total += count;
  }
  out << reader.header().entries.size() << " tensors, " << total << " numbers\n";
  for (const auto& [key, value] : reader.header().metadata) {
    out << '\n' << key << ":\n" << value << (value.ends_with('\n') ? "" : "\n");
  }
  return out.str();
}

std::string inspect_checkpoint(const fs::path& folder) {
  const auto weights = find_weights(folder);
  const auto state = weights.parent_path() / "state.json";
  std::string head = text("checkpoint '", fs::weakly_canonical(weights.parent_path()).string(), "'");
  if (fs::exists(state)) head += text(", its manifest holds\n", read_file(state));
  return head + "\n" + inspect_weights(weights);
}

// Where the run is and how well it does, its checkpoints, its recipe; then the best checkpoint's tensors.
std::string inspect_run(const fs::path& run) {
  std::ostringstream out;
  out << "run '" << run.string() << "'\n";
  const auto log = run / "metrics.jsonl";
  const auto history = fs::exists(log) ? read_history(log) : RunHistory{};
  const auto recipe = read_recipe(run / "recipe.toml");
  if (!history.steps.empty()) {
    const auto& last = history.steps.back();
    out << "step        " << last.step << ", epoch " << last.epoch << " of " << recipe.train.epochs
        << ", loss " << last.loss << ", " << last.clips_per_second << " clips/s\n";
  }
  if (!history.validations.empty()) {
    const auto& last = history.validations.back();
    out << last.split << "  after epoch " << last.epoch << ':';
    for (const auto& [name, value] : last.metrics) out << "  " << name << ' ' << value;
    out << '\n';
  }
  out << "checkpoints";
  for (const auto& name : checkpoint_names(run)) out << ' ' << name;
  out << "\n\n" << read_file(run / "recipe.toml") << '\n';
  if (fs::exists(run / "checkpoints" / "latest")) out << inspect_checkpoint(run);
  return out.str();
}

// Whether a TOML file is a configuration of `tutti shard`, by the tables that only that one has.
bool is_shard_config(const fs::path& path) {
  const auto entries = parse_toml(read_file(path), path.string());
  return std::ranges::any_of(entries, [](const TomlEntry& entry) {
    return entry.key.starts_with("input.") || entry.key.starts_with("output.");
  });
}

std::string inspect_shard_config(const fs::path& path) {
  auto config = read_shard_config(path);
  return "# a configuration of tutti shard, with every key\n" + to_toml(sections(config));
}

std::string inspect_recipe(const fs::path& path) {
  auto recipe = read_recipe(path);
  std::ostringstream out;
  out << "# a recipe, with every key\n" << to_toml(recipe);
  if (recipe.model.classes == 0 && fs::exists(fs::path(recipe.data.shards) / "index.json")) {
    recipe.model.classes = std::ssize(data::read_index(recipe.data.shards).schema.classes);
  }
  if (recipe.model.classes == 0)
    return out.str() + "\n# the model's size depends on the class count of shards that are not there\n";
  const auto spec = models::find(recipe.model.name);
  const auto model = spec.build(recipe.model, 0);
  out << "\n# " << models::parameter_count(*model) << " parameters, " << spec.flops(recipe.model).whole / 1e9
      << " GFLOP forward a clip\n";
  for (const auto& item : model->named_parameters())
    out << "# " << std::left << std::setw(42) << item.key() << ' ' << item.value().sizes() << '\n';
  return out.str();
}

}  // namespace

FileKind kind_of(const fs::path& path) {
  if (!fs::exists(path)) throw Error(text("there is no '", path.string(), "'"));
  if (fs::is_directory(path)) {
    if (fs::exists(path / "index.json")) return FileKind::shards;
    return fs::exists(path / "recipe.toml") ? FileKind::run : FileKind::checkpoint;
  }
  const auto extension = path.extension();
  if (extension == ".toml") return is_shard_config(path) ? FileKind::shard_config : FileKind::recipe;
  if (extension == ".h5") return FileKind::shard;
  if (extension == ".safetensors") return FileKind::weights;
  throw Error(text("'", path.string(), "' is nothing that tutti knows"),
              "by its name it is no .toml, .h5 or .safetensors file, and no folder",
              "Give a recipe, a shard, a folder of shards, a checkpoint or a run.");
}

std::string inspect(const fs::path& path) {
  switch (kind_of(path)) {
    case FileKind::shards:
      return inspect_shards(path);
    case FileKind::shard:
      return inspect_shard(path);
    case FileKind::run:
      return inspect_run(path);
    case FileKind::checkpoint:
      return inspect_checkpoint(path);
    case FileKind::weights:
      return inspect_weights(path);
    case FileKind::recipe:
      return inspect_recipe(path);
    case FileKind::shard_config:
      return inspect_shard_config(path);
  }
  return {};
}

}  // namespace tutti::recipes
