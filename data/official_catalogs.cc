#include "data/official_catalogs.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <span>
#include <sstream>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "data/csv.h"
#include "data/names.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

struct Esc50Row {
  std::int64_t line;
  std::string filename, fold, category;
  std::int32_t target;
};

std::vector<Esc50Row> read_esc50_rows(const fs::path& csv) {
  const auto rows = read_csv(csv);
  if (rows.size() < 2) throw csv_error(csv, 1, "no clips follow the header");
  const auto filename = csv_column(csv, rows[0], "filename"), fold = csv_column(csv, rows[0], "fold"),
             target = csv_column(csv, rows[0], "target"), category = csv_column(csv, rows[0], "category");
  std::vector<Esc50Row> result;
  for (const auto& row : std::span(rows).subspan(1)) {
    if (row.fields.size() != rows[0].fields.size())
      throw csv_error(csv, row.line,
                      text(row.fields.size(), " fields, where the header has ", rows[0].fields.size()));
    Esc50Row clip{row.line, row.fields[filename], row.fields[fold], row.fields[category], -1};
    const auto& number = row.fields[target];
    const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), clip.target);
    if (failed != std::errc() || end != number.data() + number.size() || clip.target < 0)
      throw csv_error(csv, row.line, text("target '", number, "' is no class number"));
    if (clip.filename.empty() || fs::path(clip.filename).filename() != clip.filename)
      throw csv_error(csv, row.line, text("'", clip.filename, "' is no file name"));
    if (clip.fold.empty()) throw csv_error(csv, row.line, "the fold is empty");
    result.push_back(std::move(clip));
  }
  return result;
}

}  // namespace

Catalog read_esc50(const fs::path& root, const Strings& classes) {
  const fs::path csv = root / "meta" / "esc50.csv";
  const auto rows = read_esc50_rows(csv);

  std::map<std::int32_t, std::string> category_of;
  std::map<std::string, std::int32_t> target_of;
  Strings folds;
  for (const auto& row : rows) {
    const auto& category = category_of.emplace(row.target, row.category).first->second;
    const auto target = target_of.emplace(row.category, row.target).first->second;
    if (category != row.category || target != row.target)
      throw csv_error(csv, row.line,
                      text("category '", row.category, "' has target ", row.target, ", but target ",
                           row.target, " is '", category, "' and the category's is ", target, " above"));
    folds.push_back(row.fold);
  }

  Catalog catalog;
  catalog.classes = classes;
  if (classes.empty()) {
    for (const auto& [target, category] : category_of) catalog.classes.push_back(category);
  }
  add_folds(catalog, folds);
  const auto class_index = positions<std::int32_t>(catalog.classes, "classes");
  const auto fold_index = positions<std::int16_t>(catalog.folds, "folds");
  std::set<std::string> keys;
  for (const auto& row : rows) {
    const auto found = class_index.find(row.category);
    if (found == class_index.end())
      throw csv_error(csv, row.line, text("category '", row.category, "' is not in the class list"),
                      "Correct it, or add it to the classes");
    if (!keys.insert(row.filename).second)
      throw csv_error(csv, row.line, text("'", row.filename, "' is named twice"));
    catalog.clips.push_back({.path = root / "audio" / row.filename,
                             .key = row.filename,
                             .labels = {{.index = found->second}},
                             .fold = fold_index.at(row.fold)});
  }
  return catalog;
}

Catalog read_speech_commands(const fs::path& root, const Strings& classes) {
  Catalog catalog = read_folders(root, classes);
  std::unordered_map<std::string_view, Clip*> clip_of;
  for (Clip& clip : catalog.clips) clip_of.emplace(clip.key, &clip);

  const std::pair<const char*, std::string_view> lists[] = {{"validation_list.txt", "validation"},
                                                            {"testing_list.txt", "test"}};
  for (const auto& [file, fold] : lists) {
    const auto index =
        static_cast<std::int16_t>(std::ranges::find(catalog.folds, fold) - catalog.folds.begin());
    std::istringstream lines(read_file(root / file));
    std::int64_t number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      if (line.ends_with('\r')) line.pop_back();
      if (line.empty()) continue;
      const auto found = clip_of.find(line);
      if (found == clip_of.end())
        throw csv_error(root / file, number, text("clip '", line, "' is not there"),
                        "Unpack the archive again");
      if (found->second->fold != 0)
        throw csv_error(root / file, number, text("clip '", line, "' is listed twice"));
      found->second->fold = index;
    }
  }
  return catalog;
}

}  // namespace tutti::data
