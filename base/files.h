#pragma once
// Files that are either whole or not there.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace tutti {

// The whole file. Throws Error that names the path.
std::string read_file(const std::filesystem::path& path);

// Writes all bytes and syncs them to disk. The file may be torn until this returns: write under a
// temporary name and use rename_durably. Throws Error (disk full, no permission) that names the path.
void write_file(const std::filesystem::path& path, std::string_view bytes);

// The same for bytes that lie in several places: writes the parts one after another.
void write_file(const std::filesystem::path& path, std::span<const std::string_view> parts);

// Syncs what another writer left in the page cache of a file or folder.
void sync_path(const std::filesystem::path& path);

// Renames, replacing `to` where the system allows it, and syncs the folder, so that after a crash
// the name holds either the old or the new thing.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// write_file beside `path`, then rename_durably: readers see the old file or the new one.
void replace_file(const std::filesystem::path& path, std::string_view bytes);

// Makes a folder that is there whole or not at all: `fill` writes into one beside it, which then is synced
// and renamed. Throws Error that names the path where something is there already; after what `fill` throws
// nothing is left.
void make_folder(const std::filesystem::path& path,
                 const std::function<void(const std::filesystem::path&)>& fill);

}  // namespace tutti
