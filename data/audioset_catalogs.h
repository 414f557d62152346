#pragma once
// Catalogs of AudioSet (Gemmeke et al. 2017), by its official lists or by those that AST's authors train
// with. Classes are the display names, in the order of the class list, or `classes` where it is given. Clips
// whose sound is not there are left out and counted in Catalog::missing: videos vanish.

#include <filesystem>

#include "data/catalog.h"

namespace tutti::data {

// The official lists in `root`: class_labels_indices.csv (index, mid, display_name), and of these as many as
// are there (comment lines, then YTID, start_seconds, end_seconds, "mid,mid"):
//   balanced_train_segments.csv     fold balanced
//   unbalanced_train_segments.csv   fold unbalanced
//   eval_segments.csv               fold evaluation
// The sounds lie in audio/balanced_train, audio/unbalanced_train and audio/eval, each a file of any
// extension, named YTID, YTID_START or YTID_START_END, in whole seconds or milliseconds, with or without a
// 'Y' in front. The key is the YTID. Throws Error that names file, line and value: no list, a malformed line,
// a mid that is not in the class list, a display name outside `classes`, a YTID listed twice, two files for
// one clip, a list of which no clip is there.
Catalog read_audioset(const std::filesystem::path& root, const Strings& classes = {});

// AST's lists in `root`: every *.json, {"data": [{"wav": path, "labels": "mid,mid"}]}, and one
// *class_labels_indices.csv. A list's fold is its file's name without .json. Paths are relative to `sounds`
// unless they are absolute; the key is the path as written. Throws Error that names file, entry and value, as
// above.
Catalog read_ast_lists(const std::filesystem::path& root, const std::filesystem::path& sounds,
                       const Strings& classes = {});

}  // namespace tutti::data
