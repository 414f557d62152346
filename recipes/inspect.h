#pragma once
// What a file or folder holds: a shard, a folder of shards, a recipe, a configuration of tutti shard, a
// checkpoint, a run, a weight file.

#include <filesystem>
#include <string>

namespace tutti::recipes {

enum class FileKind { shards, shard, run, checkpoint, weights, recipe, shard_config };

// Throws Error when the path is none of those.
FileKind kind_of(const std::filesystem::path& path);

// For people: text of several lines. Throws Error when the file is damaged.
std::string inspect(const std::filesystem::path& path);

// For scripts: one JSON object, whose "kind" says which. Throws Error likewise.
std::string inspect_json(const std::filesystem::path& path);

}  // namespace tutti::recipes
