#include "data/catalog.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "data/checksum.h"
#include "data/csv.h"
#include "data/names.h"
#include "data/utf8.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

std::string_view trimmed(std::string_view value) {
  const auto begin = value.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return value.substr(begin, value.find_last_not_of(" \t") - begin + 1);
}

// Sorted, each once.
Strings split_labels(std::string_view value) {
  std::set<std::string> labels;
  for (std::size_t begin = 0; begin <= value.size();) {
    const auto end = std::min(value.find(';', begin), value.size());
    const auto label = trimmed(value.substr(begin, end - begin));
    if (!label.empty()) labels.emplace(label);
    begin = end + 1;
  }
  return {labels.begin(), labels.end()};
}

constexpr std::size_t kAbsent = std::numeric_limits<std::size_t>::max();

// Where each of the columns that matter stands.
struct Columns {
  explicit Columns(const CsvRow& header) {
    for (std::size_t i = 0; i < header.fields.size(); ++i) {
      for (auto& [name, index] : all) {
        if (trimmed(header.fields[i]) != name) continue;
        if (index != kAbsent) twice = name;
        index = i;
      }
    }
  }
  std::string_view get(const CsvRow& row, std::string_view name) const {
    const std::size_t index = all.at(name);
    return index == kAbsent ? std::string_view() : std::string_view(row.fields[index]);
  }
  bool has(std::string_view name) const { return all.at(name) != kAbsent; }

  std::map<std::string_view, std::size_t> all{
      {"path", kAbsent}, {"label", kAbsent}, {"key", kAbsent}, {"fold", kAbsent}};
  std::string_view twice;
};

std::string_view fold_name(const Columns& columns, const CsvRow& row) {
  const auto name = columns.get(row, "fold");
  return name.empty() ? "train" : name;
}

// Why a path cannot be used, or nothing.
std::string_view complaint_about(const fs::path& path) {
  if (path.empty()) return "the path is empty";
  if (path.is_absolute()) return "the path is absolute";
  for (const auto& part : path) {
    if (part == "..") return "the path leads out of its folder";
  }
  return {};
}

// Names of subfolders, or of files, that do not begin with '.' or '_', in bytewise order.
std::set<std::string> visible_names(const fs::path& folder, bool folders) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().native();
    if (name.starts_with('.') || name.starts_with('_') || entry.is_directory() != folders) continue;
    if (!is_text(name))
      throw Error(text("the name of '", entry.path().native(), "' is not UTF-8"), {}, "Rename it");
    names.insert(name);
  }
  return names;
}

// Keys (paths relative to the root) of the files below a folder.
void add_files(const fs::path& root, const fs::path& folder, std::set<std::string>& keys) {
  for (const auto& name : visible_names(root / folder, /*folders=*/false))
    keys.insert((folder / name).native());
  for (const auto& name : visible_names(root / folder, /*folders=*/true))
    add_files(root, folder / name, keys);
}

}  // namespace

Catalog read_manifest(const fs::path& manifest, const std::optional<fs::path>& root, const Strings& classes) {
  const std::vector<CsvRow> rows = read_csv(manifest);
  if (rows.empty())
    throw csv_error(manifest, 1, "it is empty", "The first line names the columns: path,label");
  const Columns columns(rows.front());
  for (const char* name : {"path", "label"}) {
    if (columns.has(name)) continue;
    throw csv_error(manifest, rows.front().line, text("there is no column '", name, "'"),
                    "The first line names the columns: path,label");
  }
  if (!columns.twice.empty())
    throw csv_error(manifest, rows.front().line, text("two columns are named '", columns.twice, "'"));
  const std::span clips(rows.begin() + 1, rows.end());
  if (clips.empty()) throw csv_error(manifest, rows.front().line, "no clips follow the header");

  std::set<std::string> labels;
  Strings folds;
  Catalog catalog;
  for (const CsvRow& row : clips) {
    if (row.fields.size() != rows.front().fields.size()) {
      throw csv_error(manifest, row.line,
                      text(row.fields.size(), " fields, where the header has ", rows.front().fields.size()),
                      "Put fields that hold commas in quotes");
    }
    for (const auto& label : split_labels(columns.get(row, "label"))) labels.insert(label);
    folds.emplace_back(fold_name(columns, row));
  }
  catalog.classes = classes.empty() ? Strings(labels.begin(), labels.end()) : classes;
  add_folds(catalog, folds);
  const auto class_index = positions<std::int32_t>(catalog.classes, "classes");
  const auto fold_index = positions<std::int16_t>(catalog.folds, "folds");

  std::map<std::string, std::int64_t> line_of_key;
  for (const CsvRow& row : clips) {
    const std::string path(columns.get(row, "path"));
    if (const auto wrong = complaint_about(path); !wrong.empty()) {
      throw csv_error(manifest, row.line, text(wrong, ": '", path, "'"),
                      "Paths are relative to the manifest's folder or to the root that is given");
    }
    Clip clip{.path = root.value_or(manifest.parent_path()) / path,
              .key = std::string(columns.get(row, "key")),
              .labels = {}};
    if (clip.key.empty()) clip.key = path;
    if (const auto [other, is_new] = line_of_key.emplace(clip.key, row.line); !is_new) {
      throw csv_error(manifest, row.line,
                      text("key '", clip.key, "' is that of line ", other->second, " too"),
                      "Give each clip its own path or key");
    }
    for (const auto& label : split_labels(columns.get(row, "label"))) {
      const auto found = class_index.find(label);
      if (found == class_index.end()) {
        throw csv_error(manifest, row.line, text("label '", label, "' is not in the class list"),
                        "Correct it, or add it to the classes");
      }
      clip.labels.push_back({.index = found->second});
    }
    if (clip.labels.empty()) throw csv_error(manifest, row.line, text("clip '", clip.key, "' has no label"));
    std::ranges::sort(clip.labels, {}, &Label::index);
    clip.fold = fold_index.at(std::string(fold_name(columns, row)));
    catalog.clips.push_back(std::move(clip));
  }
  return catalog;
}

Catalog read_folders(const fs::path& root, const Strings& classes) {
  if (!fs::is_directory(root))
    throw Error(text("'", root.native(), "' is not a folder"), {},
                "Give the folder that holds one folder a class");
  const auto names = visible_names(root, /*folders=*/true);
  Catalog catalog;
  catalog.classes = classes.empty() ? Strings(names.begin(), names.end()) : classes;
  const auto class_index = positions<std::int32_t>(catalog.classes, "classes");
  for (const auto& name : names) {
    const auto found = class_index.find(name);
    if (found == class_index.end()) {
      throw Error(text("folder '", (root / name).native(), "' is not in the class list"), {},
                  "Remove it, or add it to the classes");
    }
    std::set<std::string> keys;
    add_files(root, name, keys);
    for (const auto& key : keys)
      catalog.clips.push_back({.path = root / key, .key = key, .labels = {{.index = found->second}}});
  }
  if (catalog.clips.empty())
    throw Error(text("'", root.native(), "' holds no clips"),
                "it needs one folder a class, with sound files in it");
  return catalog;
}

Catalog read_files(const fs::path& root) {
  if (!fs::is_directory(root))
    throw Error(text("'", root.native(), "' is not a folder"), {}, "Give the folder that holds sound files");
  std::set<std::string> keys;
  add_files(root, "", keys);
  if (keys.empty()) throw Error(text("'", root.native(), "' holds no files"));
  Catalog catalog;
  constexpr std::uint64_t kOneIn = 20;
  for (const auto& key : keys) {
    const bool validation = xxh3(std::as_bytes(std::span(key))) % kOneIn == 0;
    catalog.clips.push_back({.path = root / key,
                             .key = key,
                             .labels = {},
                             .fold = static_cast<std::int16_t>(validation ? 1 : 0)});
  }
  return catalog;
}

}  // namespace tutti::data
