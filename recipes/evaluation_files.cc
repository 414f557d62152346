#include "recipes/evaluation_files.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "data/csv.h"
#include "data/predictions.h"
#include "recipes/class_report.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

// The shortest digits that read back as the same double.
std::string cell(const std::optional<double>& value) {
  return value ? nlohmann::json(*value).dump() : std::string();
}

}  // namespace

void check_place(const fs::path& file) {
  if (file.empty()) return;
  const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (fs::is_directory(folder) && !fs::is_directory(file)) return;
  throw UsageError(
      text("'", file.string(), "' cannot be written"),
      fs::is_directory(file) ? "it is a folder" : text("there is no folder '", folder.string(), "'"));
}

void write_predictions(const fs::path& file, const ScoredModel& scored) {
  const auto& scores = scored.evaluation.scores;
  data::write_predictions(file, {.model = scored.name,
                                 .classes = scored.classes,
                                 .folds = scored.fold_names,
                                 .keys = scored.keys,
                                 .fold = scored.fold,
                                 .score = {scores.score.begin(), scores.score.end()},
                                 .target = scores.target});
}

void write_class_table(const fs::path& file, const ScoredModel& scored) {
  const auto report = describe_classes(scored.evaluation.scores, scored.classes);
  Strings header = {"class", "clips", "average_precision", "auc"};
  if (report.confusion) header.insert(header.end(), {"precision", "recall"});
  auto table = data::csv_line(header);
  for (const auto& c : report.classes) {
    Strings line = {c.name, std::to_string(c.clips), cell(c.average_precision), cell(c.auc)};
    if (report.confusion) line.insert(line.end(), {cell(c.precision), cell(c.recall)});
    table += data::csv_line(line);
  }
  replace_file(file, table);
}

}  // namespace tutti::recipes
