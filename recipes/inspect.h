#pragma once
// What a file or folder holds, in words: a shard, a folder of shards, a recipe, a checkpoint, a run, a
// weight file.

#include <filesystem>
#include <string>

namespace tutti::recipes {

// Text of several lines. Throws Error when the path is none of those, or is damaged.
std::string inspect(const std::filesystem::path& path);

}  // namespace tutti::recipes
