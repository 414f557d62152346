#include "launcher/sbatch.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace tutti {
namespace fs = std::filesystem;

int ranks_per_node(const SubmitOptions& options) {
  return options.ranks > 0 ? options.ranks : std::max(options.gpus, 1);
}

fs::path log_folder(const SubmitOptions& options) { return fs::path(options.output) / "slurm"; }

Strings sbatch_command(const SubmitOptions& options, const fs::path& script, const Strings& arguments) {
  const auto name = fs::path(options.output).lexically_normal().filename().string();
  Strings command = {
      "sbatch",
      "--parsable",
      "--export=ALL",  // also where the site's default is to export nothing
      text("--job-name=", name.empty() ? "train" : name),
      text("--nodes=", options.nodes),
      text("--ntasks-per-node=", ranks_per_node(options)),
      text("--cpus-per-task=", options.cpus),
      text("--signal=B:USR1@", options.signal_before),
      text("--output=", (log_folder(options) / "%x-%j.log").string()),
  };
  if (options.gpus > 0) command.push_back(text("--gpus-per-node=", options.gpus));
  const auto add = [&](std::string_view option, const std::string& value) {
    if (!value.empty()) command.push_back(text(option, value));
  };
  add("--time=", options.time);
  add("--partition=", options.partition);
  add("--account=", options.account);
  add("--constraint=", options.constraint);
  command.insert(command.end(), options.more.begin(), options.more.end());
  command.push_back(script.string());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Strings job_environment(const SubmitOptions& options, const fs::path& program, const fs::path& scripts) {
  return {text("TUTTI=", program.string()), text("TUTTI_SLURM=", scripts.string()),
          text("TUTTI_LOGS=", log_folder(options).string()),
          text("TUTTI_MAX_RESTARTS=", options.max_restarts)};
}

std::string quoted(const std::string& word) {
  const auto harmless = [](unsigned char letter) {
    return std::isalnum(letter) ||
           std::string_view("@%_+=:,./-").find(static_cast<char>(letter)) != std::string_view::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, harmless)) return word;
  std::string result = "'";
  for (const char letter : word) result += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return result + "'";
}

}  // namespace tutti
