#include "data/audioset_catalogs.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/csv.h"
#include "data/names.h"
#include "data/utf8.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr auto kClassList = "class_labels_indices.csv";

// Which class a mid is.
class ClassList {
 public:
  ClassList(const fs::path& csv, const Strings& classes) : csv_(csv), names_(classes) {
    const auto rows = read_csv(csv);
    if (rows.size() < 2) throw csv_error(csv, 1, "no classes follow the header");
    const auto index = csv_column(csv, rows[0], "index"), mid = csv_column(csv, rows[0], "mid"),
               name = csv_column(csv, rows[0], "display_name");
    for (const auto& row : std::span(rows).subspan(1)) {
      if (row.fields.size() != rows[0].fields.size())
        throw csv_error(csv, row.line,
                        text(row.fields.size(), " fields, where the header has ", rows[0].fields.size()),
                        "A name that holds a comma must stand in quotes");
      if (const auto expected = std::to_string(name_of_.size()); row.fields[index] != expected)
        throw csv_error(csv, row.line,
                        text("the index is '", row.fields[index], "', and ", expected, " comes next"));
      if (!name_of_.emplace(row.fields[mid], row.fields[name]).second)
        throw csv_error(csv, row.line, text("mid '", row.fields[mid], "' is there twice"));
      if (classes.empty()) names_.push_back(row.fields[name]);
    }
    index_ = positions<std::int32_t>(names_, "classes");
  }

  const Strings& names() const { return names_; }

  // "mid,mid": ascending by class, each once. What is wrong with them goes to `refuse`, which throws.
  template <class Refuse>
  std::vector<Label> labels(std::string_view mids, const Refuse& refuse) const {
    std::set<std::int32_t> found;
    for (std::size_t begin = 0; begin <= mids.size();) {
      const auto end = std::min(mids.find(',', begin), mids.size());
      const std::string mid(mids.substr(begin, end - begin));
      const auto name = name_of_.find(mid);
      if (name == name_of_.end()) refuse(text("mid '", mid, "' is not in '", csv_.native(), "'"));
      const auto index = index_.find(name->second);
      if (index == index_.end()) refuse(text("class '", name->second, "' is not in the class list"));
      found.insert(index->second);
      begin = end + 1;
    }
    std::vector<Label> labels;
    for (const auto index : found) labels.push_back({.index = index});
    return labels;
  }

 private:
  fs::path csv_;
  Strings names_;
  std::map<std::string, std::string> name_of_;  // by mid
  std::map<std::string, std::int32_t> index_;   // by name
};

// The files of a folder, by name without extension.
class SoundFiles {
 public:
  explicit SoundFiles(const fs::path& folder) : folder_(folder) {
    if (!fs::is_directory(folder))
      throw Error(text("there is no folder '", folder.native(), "'"), "the list's sounds belong there");
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (!entry.is_directory()) names_[entry.path().stem().native()].push_back(entry.path().filename());
    }
  }

  // The one file of these names, or nothing.
  fs::path find(const std::set<std::string>& stems) const {
    fs::path found;
    for (const auto& stem : stems) {
      const auto there = names_.find(stem);
      if (there == names_.end()) continue;
      for (const auto& name : there->second) {
        if (!found.empty())
          throw Error(text("'", folder_.native(), "' has two files for one clip"),
                      text("'", found.filename().native(), "' and '", name, "'"), "Remove one");
        found = folder_ / name;
      }
    }
    return found;
  }

 private:
  fs::path folder_;
  std::unordered_map<std::string, Strings> names_;
};

// What downloaders call the file of a clip, without extension.
std::set<std::string> file_stems(const std::string& id, double start, double end) {
  std::set<std::string> stems;
  for (const std::string& name : {id, "Y" + id}) {
    stems.insert(name);
    for (const double unit : {1.0, 1000.0}) {
      const auto from = text(name, "_", std::llround(start * unit));
      stems.insert({from, text(from, "_", std::llround(end * unit))});
    }
  }
  return stems;
}

double seconds(const fs::path& csv, const CsvRow& row, const std::string& field) {
  double value = 0;
  const auto [end, failed] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (failed != std::errc() || end != field.data() + field.size() || !(value >= 0 && value < 1e9))
    throw csv_error(csv, row.line, text("'", field, "' is no time in seconds"));
  return value;
}

void check_any(const fs::path& list, const Missing& missing, const fs::path& sounds) {
  if (missing.of == 0) throw Error(text("'", list.native(), "' lists no clips"));
  if (missing.clips == missing.of)
    throw Error(text("none of the ", missing.of, " clips of '", list.native(), "' is there"),
                text("they were looked for in '", sounds.native(), "'"));
}

// The files of a folder whose names end so, sorted.
std::vector<fs::path> files_that_end(const fs::path& folder, std::string_view end) {
  std::set<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().native().ends_with(end)) found.insert(entry.path());
  }
  return {found.begin(), found.end()};
}

// Calls `add(number, entry)` for each entry, counted from 1. They are not kept: a list may have two million.
template <class Add>
void read_ast_list(const fs::path& path, const Add& add) {
  std::ifstream file(path);
  if (!file) throw Error(text("cannot open '", path.native(), "'"));
  std::int64_t number = 0;
  const auto take = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth != 2 || event != Json::parse_event_t::object_end) return true;
    add(++number, parsed);
    return false;
  };
  try {
    const auto rest = Json::parse(file, take);
    if (!rest.is_object() || !rest.contains("data") || !rest["data"].is_array() || !rest["data"].empty())
      throw Error(text("'", path.native(), "' is not one of AST's lists"),
                  R"(it is not {"data": [{"wav": ..., "labels": ...}]})");
  } catch (const Json::exception& error) {
    throw Error(text("'", path.native(), "' cannot be read"), error.what());
  }
}

}  // namespace

Catalog read_audioset(const fs::path& root, const Strings& classes) {
  const ClassList list(root / kClassList, classes);
  Catalog catalog;
  catalog.classes = list.names();
  Strings folds;
  std::vector<std::pair<std::string, std::string>> sets;  // stem of the list, fold
  for (const auto& [set, fold] : std::initializer_list<std::pair<const char*, const char*>>{
           {"balanced_train", "balanced"}, {"unbalanced_train", "unbalanced"}, {"eval", "evaluation"}}) {
    if (!fs::exists(root / text(set, "_segments.csv"))) continue;
    sets.emplace_back(set, fold);
    folds.emplace_back(fold);
  }
  if (sets.empty())
    throw Error(
        text("'", root.native(), "' is not AudioSet"),
        "it has none of balanced_train_segments.csv, unbalanced_train_segments.csv, eval_segments.csv");
  add_folds(catalog, folds);
  const auto fold_index = positions<std::int16_t>(catalog.folds, "folds");

  std::unordered_set<std::string> ids;
  for (const auto& [set, fold] : sets) {
    const auto csv = root / text(set, "_segments.csv");
    const auto folder = root / "audio" / set;
    const SoundFiles files(folder);
    Missing missing{csv.filename().native()};
    for (const auto& row : read_csv(csv)) {
      if (row.fields[0].starts_with('#')) continue;
      if (row.fields.size() != 4)
        throw csv_error(csv, row.line, text(row.fields.size(), " fields instead of 4"),
                        "They are YTID, start_seconds, end_seconds and the labels, in quotes");
      const auto& id = row.fields[0];
      if (id.empty() || id.find('/') != std::string::npos)
        throw csv_error(csv, row.line, text("'", id, "' is no YTID"));
      if (!ids.insert(id).second) throw csv_error(csv, row.line, text("'", id, "' is listed twice"));
      auto labels = list.labels(row.fields[3],
                                [&](const std::string& reason) { throw csv_error(csv, row.line, reason); });
      ++missing.of;
      auto path =
          files.find(file_stems(id, seconds(csv, row, row.fields[1]), seconds(csv, row, row.fields[2])));
      if (path.empty()) {
        ++missing.clips;
        continue;
      }
      catalog.clips.push_back({std::move(path), id, std::move(labels), fold_index.at(fold)});
    }
    check_any(csv, missing, folder);
    if (missing.clips > 0) catalog.missing.push_back(missing);
  }
  return catalog;
}

Catalog read_ast_lists(const fs::path& root, const fs::path& sounds, const Strings& classes) {
  const auto class_lists = files_that_end(root, kClassList);
  if (class_lists.size() != 1)
    throw Error(text("'", root.native(), "' has ", class_lists.size(), " files named *", kClassList),
                "it must have one");
  const ClassList list(class_lists[0], classes);
  const auto paths = files_that_end(root, ".json");
  if (paths.empty()) throw Error(text("'", root.native(), "' has no lists"), "they are named *.json");
  Catalog catalog;
  catalog.classes = list.names();
  Strings folds;
  for (const auto& path : paths) folds.push_back(path.stem());
  add_folds(catalog, folds);
  const auto fold_index = positions<std::int16_t>(catalog.folds, "folds");

  std::unordered_set<std::string> keys;
  for (const auto& path : paths) {
    Missing missing{path.filename().native()};
    read_ast_list(path, [&](std::int64_t number, const Json& entry) {
      const auto refuse = [&](const std::string& reason) {
        throw Error(text("entry ", number, " of '", path.native(), "' cannot be used"), reason);
      };
      const auto string = [&](const char* key) {
        if (!entry.contains(key) || !entry[key].is_string()) refuse(text("it has no text '", key, "'"));
        return entry[key].get<std::string>();
      };
      const auto wav = string("wav");
      if (wav.empty() || !is_text(wav)) refuse(text("'", wav, "' is no path"));
      if (!keys.insert(wav).second)
        refuse(text("'", wav, "' is listed twice, here or in another list of the folder"));
      auto labels = list.labels(string("labels"), refuse);
      ++missing.of;
      if (!fs::is_regular_file(sounds / wav)) {
        ++missing.clips;
        return;
      }
      catalog.clips.push_back({sounds / wav, wav, std::move(labels), fold_index.at(path.stem())});
    });
    check_any(path, missing, sounds);
    if (missing.clips > 0) catalog.missing.push_back(missing);
  }
  return catalog;
}

}  // namespace tutti::data
