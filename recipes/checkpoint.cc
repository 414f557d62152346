#include "recipes/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/json_depth.h"
#include "data/checksum.h"
#include "models/weights.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kTrainingState = "training_state.safetensors";
constexpr auto kState = "state.json";
constexpr auto kManifest = "MANIFEST.json";
constexpr auto kWriting = ".writing-";
constexpr auto kDeleting = ".deleting-";

std::string folder_name(std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step-%08lld", static_cast<long long>(step));
  return name;
}

std::optional<std::int64_t> step_of(const fs::path& folder) {
  const auto name = folder.filename().string();
  if (!name.starts_with("step-")) return std::nullopt;
  const auto digits = name.substr(5);
  constexpr std::size_t most_digits = 18;  // of 63 bits
  if (digits.empty() || digits.size() > most_digits ||
      !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  return std::stoll(digits);
}

// Checkpoint folders, the newest first.
std::vector<fs::path> steps_in(const fs::path& folder) {
  std::vector<fs::path> steps;
  if (fs::is_directory(folder)) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (!entry.is_symlink() && entry.is_directory() && step_of(entry.path())) steps.push_back(entry.path());
    }
  }
  std::ranges::sort(steps, std::greater{}, [](const fs::path& path) { return *step_of(path); });
  return steps;
}

// A file of the checkpoint's folder with its size and checksum.
bool is_entry(const std::string& name, const Json& expected) {
  return !name.empty() && fs::path(name).filename() == name && expected.is_object() &&
         expected.contains("bytes") && expected["bytes"].is_number_unsigned() && expected.contains("xxh3") &&
         expected["xxh3"].is_string();
}

// The manifest's own checksum is over its text without that line.
std::string manifest_text(Json manifest) {
  manifest.erase("xxh3");
  const auto body = manifest.dump(1);
  manifest["xxh3"] = data::hex(data::xxh3(std::as_bytes(std::span(body))));
  return manifest.dump(1) + "\n";
}

void write_manifest(const fs::path& folder, std::initializer_list<const char*> names) {
  Json files;
  for (const auto* name : names) {
    files[name] = {{"bytes", fs::file_size(folder / name)},
                   {"xxh3", data::hex(data::xxh3_file(folder / name))}};
  }
  write_file(folder / kManifest, manifest_text({{"format_version", 1}, {"files", files}}));
}

void point(const fs::path& link, const fs::path& target) {
  auto beside = link;
  beside += ".writing";
  fs::remove(beside);
  fs::create_directory_symlink(target, beside);
  rename_durably(beside, link);
}

bool is_leftover(const fs::path& path) {
  const auto name = path.filename().string();
  return name.starts_with(kWriting) || name.starts_with(kDeleting) || name.ends_with(".writing");
}

}  // namespace

models::Metadata describe_model(const Recipe& recipe, const Strings& classes) {
  return {{"recipe", to_toml(recipe)}, {"classes", Json(classes).dump()}};
}

void verify_checkpoint(const fs::path& folder) {
  const auto damaged = [&](const std::string& why) {
    return Error(text("checkpoint '", folder.string(), "' is damaged"), why,
                 "Use another one, or delete it.");
  };
  const auto path = folder / kManifest;
  if (!fs::exists(path)) throw damaged(text("there is no ", kManifest));
  const auto content = read_file(path);
  if (nests_too_deep(content)) throw damaged(text(kManifest, " nests deeper than ", kDeepestJson, " levels"));
  const auto manifest = Json::parse(content, nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_object() ||
      manifest_text(manifest) != content) {
    throw damaged(text(kManifest, " does not have the checksum that it carries"));
  }
  for (const auto& [name, expected] : manifest["files"].items()) {
    if (!is_entry(name, expected)) throw damaged(text(kManifest, " says nothing sound about '", name, "'"));
    const auto file = folder / name;
    std::error_code failed;  // a name that is too long, say
    if (!fs::is_regular_file(file, failed)) throw damaged(name + " is missing");
    if (fs::file_size(file) != expected["bytes"].get<std::uintmax_t>()) {
      throw damaged(text(name, " has ", fs::file_size(file), " bytes, not ", expected["bytes"].dump()));
    }
    if (data::hex(data::xxh3_file(file)) != expected["xxh3"].get<std::string>()) {
      throw damaged(name + " does not have its checksum");
    }
  }
}

RunState read_state(const fs::path& checkpoint) {
  const auto path = checkpoint / kState;
  const auto json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  const auto count = [&](const char* key, std::uint64_t least) {
    const bool there = json.is_object() && json.contains(key) && json[key].is_number_unsigned();
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    const auto value = there ? json[key].get<std::uint64_t>() : 0;
    if (!there || value < least || value > kMost) {
      throw Error(text("'", path.string(), "' is not the state of a run"),
                  text("it has no count '", key, "'"), "Use another checkpoint, or delete this one.");
    }
    return static_cast<std::int64_t>(value);
  };
  RunState state{count("step", 0), count("finished_epochs", 0), count("steps_per_epoch", 1), std::nullopt};
  if (json.contains("best") && json["best"].is_number()) state.best = json["best"].get<double>();
  return state;
}

void save_model(const fs::path& folder, const models::Model& model, const Recipe& recipe,
                const Strings& classes) {
  make_folder(folder, [&](const fs::path& writing) {
    models::save_parameters(writing / kModelFile, model, describe_model(recipe, classes));
    write_manifest(writing, {kModelFile});
  });
}

Strings checkpoint_names(const fs::path& run) {
  Strings names;
  for (const auto& folder : steps_in(run / "checkpoints")) names.push_back(folder.filename().string());
  std::ranges::reverse(names);
  return names;
}

Checkpoints::Checkpoints(fs::path folder, bool writer) : folder_(std::move(folder)) {
  if (!writer) return;
  fs::create_directories(folder_);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (is_leftover(entry.path())) fs::remove_all(entry.path());
  }
}

std::optional<fs::path> Checkpoints::newest(const Log& log) const {
  for (const auto& folder : steps_in(folder_)) {
    try {
      verify_checkpoint(folder);
      return folder;
    } catch (const Error& error) {
      log.warning(error.what());
    }
  }
  return std::nullopt;
}

void Checkpoints::save(const models::Model& model, const Optimizer& optimizer, const Recipe& recipe,
                       const Strings& classes, const RunState& state, bool best) {
  const auto name = folder_name(state.step);
  const auto writing = folder_ / (kWriting + name);
  fs::remove_all(writing);
  fs::create_directory(writing);
  try {
    models::save_parameters(writing / kModelFile, model, describe_model(recipe, classes));
    std::vector<models::NamedTensor> tensors;
    for (const auto& [key, tensor] : optimizer.state()) tensors.push_back({key, tensor});
    models::save_tensors(writing / kTrainingState, tensors, {});
    Json json = {{"step", state.step},
                 {"finished_epochs", state.finished_epochs},
                 {"steps_per_epoch", state.steps_per_epoch}};
    if (state.best) json["best"] = *state.best;
    write_file(writing / kState, json.dump(1) + "\n");
    write_manifest(writing, {kModelFile, kTrainingState, kState});
    sync_path(writing);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(writing, ignored);
    throw;
  }
  const auto folder = folder_ / name;
  if (fs::exists(folder)) {  // the same step again: a validation came since
    const auto old = folder_ / (kDeleting + name);
    fs::remove_all(old);
    rename_durably(folder, old);
    rename_durably(writing, folder);
    fs::remove_all(old);
  } else {
    rename_durably(writing, folder);
  }
  point(folder_ / "latest", name);
  if (best) point(folder_ / "best", name);
}

void Checkpoints::prune(std::int64_t keep_last, std::int64_t keep_every_steps) {
  const auto linked = [&](const fs::path& folder) {
    return std::ranges::any_of(std::initializer_list<const char*>{"latest", "best"}, [&](const char* link) {
      return fs::is_symlink(folder_ / link) &&
             fs::read_symlink(folder_ / link).filename() == folder.filename();
    });
  };
  std::int64_t kept = 0;
  for (const auto& folder : steps_in(folder_)) {
    if (kept++ < keep_last || linked(folder)) continue;
    if (keep_every_steps > 0 && *step_of(folder) % keep_every_steps == 0) continue;
    const auto old = folder_ / (kDeleting + folder.filename().string());
    fs::rename(folder, old);  // so that a kill half-way leaves nothing that looks like a checkpoint
    fs::remove_all(old);
  }
}

RunState restore(const fs::path& checkpoint, models::Model& model, Optimizer& optimizer) {
  models::load_parameters(model, models::load_tensors(checkpoint / kModelFile));
  const auto weights = models::load_tensors(checkpoint / kTrainingState);
  try {
    optimizer.load_state(weights.tensors);
  } catch (const Error& error) {
    throw Error(text("'", weights.source, "' does not fit this run"), error.what());
  }
  return read_state(checkpoint);
}

}  // namespace tutti::recipes
