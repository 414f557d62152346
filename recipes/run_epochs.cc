#include "recipes/run_epochs.h"

#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "recipes/checkpoint.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

std::optional<std::int64_t> number(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() && value > 0 ? std::optional(value)
                                                                                   : std::nullopt;
}

}  // namespace

EpochRange parse_epochs(const std::string& words) {
  const auto dash = words.find('-');
  const auto first = number(std::string_view(words).substr(0, dash));
  const auto last = dash == std::string::npos ? first : number(std::string_view(words).substr(dash + 1));
  if (!first || !last || *first > *last)
    throw UsageError(text("'", words, "' names no epochs"), "",
                     "Write them as 6-25, counted from 1, or as 7.");
  return {*first, *last};
}

Strings checkpoints_of(const fs::path& run, const EpochRange& epochs) {
  const auto names = checkpoint_names(run);
  if (names.empty()) {
    throw Error(text("'", run.string(), "' has no epochs"), "it is not a run folder with checkpoints",
                "--epochs is for the folders that tutti train --output names.");
  }
  std::map<std::int64_t, std::string> at_end_of;
  for (const auto& name : names) {
    const auto checkpoint = run / "checkpoints" / name;
    const auto state = read_state(checkpoint);
    if (state.step % state.steps_per_epoch == 0)
      at_end_of[state.step / state.steps_per_epoch] = checkpoint.string();
  }
  Strings found, missing;
  for (auto epoch = epochs.first; epoch <= epochs.last; ++epoch) {
    const auto checkpoint = at_end_of.find(epoch);
    if (checkpoint != at_end_of.end()) {
      found.push_back(checkpoint->second);
    } else if (missing.size() < 20) {
      missing.push_back(std::to_string(epoch));
    } else {
      missing.back() = "...";
      break;
    }
  }
  if (missing.empty()) return found;
  std::string list;
  for (const auto& epoch : missing) list += (list.empty() ? "" : ", ") + epoch;
  throw Error(text("'", run.string(), "' has kept no checkpoint of the end of epoch ", list), "",
              "A run keeps that of every epoch with checkpoint.keep_every_epochs = 1.");
}

}  // namespace tutti::recipes
