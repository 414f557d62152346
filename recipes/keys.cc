#include "recipes/keys.h"

#include <cmath>

#include "base/error.h"
#include "recipes/recipe.h"
#include "recipes/shard.h"

namespace tutti::recipes {
namespace {

std::string type_of(const Field& field) {
  struct Type {
    std::string operator()(bool*) const { return "boolean"; }
    std::string operator()(std::int64_t*) const { return "integer"; }
    std::string operator()(double*) const { return "number"; }
    std::string operator()(std::string*) const { return "string"; }
    std::string operator()(Strings*) const { return "list of strings"; }
    std::string operator()(Integers*) const { return "list of integers"; }
    std::string operator()(Numbers*) const { return "list of numbers"; }
  };
  return std::visit(Type{}, field.target);
}

// Empty where everything is allowed.
std::string allowed(const Field& field) {
  std::string list;
  for (const auto& choice : field.choices) list += text(list.empty() ? "" : ", ", "`\"", choice, "\"`");
  if (!list.empty()) return list;
  const bool from = std::isfinite(field.least), to = std::isfinite(field.most);
  if (from && to) return text(field.least, " to ", field.most);
  if (from) return text("at least ", field.least);
  if (to) return text("at most ", field.most);
  return "";
}

// A '|' would end the cell of a table.
std::string cell(const std::string& words) {
  std::string result;
  for (const char c : words) result += c == '|' ? std::string("\\|") : std::string(1, c);
  return result;
}

std::string table(const std::string& heading, const Fields& fields) {
  std::string markdown =
      text("\n### ", heading, "\n\n| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n");
  for (const auto& field : fields) {
    markdown +=
        text("| `", field.name, "`", field.identifies_run ? "" : " *", " | ", type_of(field), " | `",
             cell(tutti::to_toml(field)), "` | ", cell(allowed(field)), " | ", cell(field.meaning), " |\n");
  }
  return markdown;
}

std::string heading_of(const Section& section) {
  const auto dot = section.name.find('.');
  return dot == section.name.npos ? text("[", section.name, "]")
                                  : text("[[", section.name.substr(0, dot), "]]");
}

// The common keys of [model], then each family's own.
std::string model_tables() {
  models::ModelOptions options;
  auto own = models::find(options.name).fields(options);
  auto common = models::fields(options);
  common.resize(common.size() - own.size());
  std::string markdown = table("[model]", common);
  for (const auto& spec : models::model_specs()) {
    models::ModelOptions family;
    family.name = spec.name;
    markdown += table(text("[model] with name = \"", spec.name, "\": ", spec.summary), spec.fields(family));
  }
  return markdown;
}

}  // namespace

std::string describe_keys() {
  std::string markdown =
      "# Keys\n\n"
      "Every key of the configuration files, as `tutti inspect --keys` prints it; a test compares this page "
      "with\n"
      "that. A file says what differs from the defaults; `--set table.key=value` says it on the command "
      "line. A run\n"
      "may be continued with another value of a key marked *; the others identify the run.\n\n"
      "## Recipes: `tutti train`\n";
  Recipe recipe;
  recipe.groups.resize(1);
  for (const auto& section : sections(recipe))
    markdown += section.name == "model" ? model_tables() : table(heading_of(section), section.fields);
  markdown += "\n## Shards: `tutti shard`\n";
  ShardConfig config;
  for (const auto& section : sections(config)) markdown += table(heading_of(section), section.fields);
  return markdown;
}

}  // namespace tutti::recipes
