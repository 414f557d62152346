#pragma once
// Catalogs of published datasets, by their own files and splits.

#include <filesystem>

#include "data/catalog.h"

namespace tutti::data {

// ESC-50 (Piczak 2015; the repository's folder): meta/esc50.csv with filename, fold, target and category,
// and the sounds in audio/. Classes are the categories by target, or `classes` where it is given; folds are
// "1" to "5", for `data.train` and `data.test` to name; the key is the file's name. Clips keep the order of
// the CSV file. Throws Error that names file, line and value: a missing column, a target that is no number,
// a category with two targets or the other way round, a file named twice.
Catalog read_esc50(const std::filesystem::path& root, const Strings& classes = {});

// Speech Commands (Warden 2018; the unpacked archive): a folder a word, as read_folders() reads them, of
// which validation_list.txt and testing_list.txt name the clips of folds validation and test; the rest is
// train. Throws Error that names list, line and clip: one that is not there, or is listed twice.
Catalog read_speech_commands(const std::filesystem::path& root, const Strings& classes = {});

}  // namespace tutti::data
