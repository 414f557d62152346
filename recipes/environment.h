#pragma once
// What a run was computed with: environment.json in its folder, written anew by every start.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace tutti::recipes {

struct Session;

// Names and values, in the order in which they are shown. No host names: reports are passed around.
using EnvironmentRecord = std::vector<std::pair<std::string, std::string>>;

EnvironmentRecord describe_environment(const Session& session);

void write_environment(const std::filesystem::path& run, const EnvironmentRecord& environment);

// Empty where the run has none, as those of earlier versions. Throws Error that names the file.
EnvironmentRecord read_environment(const std::filesystem::path& run);

}  // namespace tutti::recipes
