#include "recipes/config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "recipes/recipe.h"

namespace tutti::recipes {
namespace {

// The message of the UsageError that reading this recipe throws.
std::string complaint_about(const std::string& document, const Strings& assignments = {}) {
  try {
    parse_recipe(document, "x.toml", assignments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "(no error)";
}

TEST(Config, UnknownKeyNamesLineAndNearestKey) {
  EXPECT_EQ(complaint_about("[optimizer]\nlr = 1e-3\nweigth_decay = 0.1\n"),
            "x.toml:3: unknown key optimizer.weigth_decay. Did you mean optimizer.weight_decay?");
  EXPECT_EQ(complaint_about("[train]\nlr = 1e-3\n"),
            "x.toml:2: unknown key train.lr. Did you mean optimizer.lr?");
}

TEST(Config, MistypedValueNamesKeyAndValue) {
  EXPECT_EQ(complaint_about("[train]\nbatch = \"many\"\n"),
            "x.toml:2: train.batch must be an integer, and is the string \"many\"");
  EXPECT_EQ(complaint_about("[model]\npatch = [16.5, 16]\n"),
            "x.toml:2: model.patch must be a list of integers, and is a list of numbers");
  EXPECT_EQ(complaint_about("[train]\nbatch = true\n"),
            "x.toml:2: train.batch must be an integer, and is the boolean true");
}

TEST(Config, ValueOutOfRangeNamesTheRange) {
  EXPECT_EQ(complaint_about("[loss]\nlabel_smoothing = 2\n"),
            "x.toml:2: loss.label_smoothing must lie in [0, 0.999], and is 2");
  EXPECT_EQ(complaint_about("[optimizer]\nlr = nan\n"), "x.toml:2: optimizer.lr must be a finite number");
  EXPECT_EQ(complaint_about("[optimizer]\nname = \"sgd\"\n"),
            "x.toml:2: optimizer.name must be one of \"adamw\", \"adam\", and is \"sgd\"");
}

TEST(Config, NotTomlNamesTheLine) {
  EXPECT_TRUE(complaint_about("[train]\nbatch 3\n").starts_with("x.toml:2: not valid TOML"))
      << complaint_about("[train]\nbatch 3\n");
  EXPECT_TRUE(complaint_about("\n[=]\n").starts_with("x.toml:2: not valid TOML"))
      << complaint_about("\n[=]\n");
}

TEST(Config, LettersBeyondAsciiStandInStringsAndComments) {
  for (const std::string letter : {"\u00e9", "\u1500", "\u2100", "\u3105", "\U0001f600"}) {
    for (const auto& document : {"\n" + letter + " = 1\n", "\n[" + letter + "]\n", "\na = " + letter + "\n",
                                 "\na = [\"\", " + letter + "]\n", "\na = \"\"\"\"\"\" " + letter}) {
      EXPECT_TRUE(complaint_about(document).starts_with("x.toml:2: not valid TOML (letters beyond ASCII"))
          << complaint_about(document);
    }
    for (const auto& document :
         {"# " + letter, "shards = \"" + letter + "\"", "shards = '\"" + letter + "'",
          "shards = \"\\\"" + letter + "\"", "shards = \"\"\"\"\n'\"" + letter + "\"\"\"\"\" # " + letter}) {
      EXPECT_EQ(complaint_about("[data]\n" + document), "(no error)") << document;
    }
  }
}

TEST(Config, AByteOrderMarkMayComeFirst) {
  EXPECT_EQ(complaint_about("\xEF\xBB\xBF[train]\nbatch = 3\n"), "(no error)");
}

TEST(Config, KeysThatNestTooDeepAreErrors) {
  const auto nested = [](int tables) {
    std::string key = "a";
    for (int i = 0; i < tables; ++i) key += ".a";
    return key + " = 1";
  };
  EXPECT_EQ(complaint_about(nested(3'000)).substr(0, 10), "x.toml:1: ");
  EXPECT_NE(complaint_about(nested(3'000)).find("nests too deep"), std::string::npos);
  EXPECT_EQ(complaint_about(nested(100'000)), "x.toml: no configuration has so many dots (more than 4000)");
}

TEST(Config, AssignmentsOverrideTheFile) {
  const auto recipe = parse_recipe("[optimizer]\nlr = 1e-3\n", "x.toml",
                                   {"optimizer.lr=2", "model.head=mean", "data.train=[\"1\",\"2\"]"});
  EXPECT_EQ(recipe.optimizer.lr, 2.0);
  EXPECT_EQ(recipe.model.ast.head, "mean");
  EXPECT_EQ(recipe.data.train, (Strings{"1", "2"}));
  EXPECT_EQ(complaint_about("", {"optimizer.lr"}),
            "--set optimizer.lr is not of the form key=value. For example: --set optimizer.lr=1e-4");
}

TEST(Config, GroupsAreTables) {
  const auto recipe =
      parse_recipe("[[groups]]\nmatch = [\"a*\"]\n[[groups]]\nmatch = [\"b\"]\nfrozen = true\n", "x.toml");
  ASSERT_EQ(recipe.groups.size(), 2U);
  EXPECT_EQ(recipe.groups[0].match, Strings{"a*"});
  EXPECT_TRUE(recipe.groups[1].frozen);
}

TEST(Config, ResolvedRecipeReadsBackTheSame) {
  auto recipe =
      parse_recipe("[optimizer]\nlr = 0.1234567890123\n[[groups]]\nmatch = [\"a*\", 'b\"']\n", "x.toml");
  auto again = parse_recipe(to_toml(recipe), "again");
  EXPECT_EQ(to_toml(recipe), to_toml(again));
  EXPECT_TRUE(differing_keys(sections(recipe), sections(again)).empty());
}

TEST(Config, DifferencesLeaveOutWhatCannotChangeTheResult) {
  auto one = parse_recipe("", "one");
  auto other = parse_recipe("[loader]\nthreads = 3\n[log]\nevery_steps = 7\n[train]\nseed = 2\n", "other");
  EXPECT_EQ(differing_keys(sections(one), sections(other)), Strings{"train.seed: 1 and 2"});
}

TEST(Config, EveryKeyHasAMeaningAndAValidDefault) {
  Recipe recipe;
  recipe.groups.resize(1);
  const auto all = sections(recipe);
  EXPECT_NO_THROW(validate(all));
  for (const auto& section : all) {
    for (const auto& field : section.fields)
      EXPECT_FALSE(field.meaning.empty()) << section.name << '.' << field.name;
  }
}

}  // namespace
}  // namespace tutti::recipes
