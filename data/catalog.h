#pragma once
// What a dataset holds: its clips with labels and folds, from a CSV manifest or a folder per class.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"

namespace tutti::data {

struct Label {
  std::int32_t index = 0;  // into Catalog::classes
  float weight = 1;
};

struct Clip {
  std::filesystem::path path;  // of the sound file, with the catalog's root in front
  std::string key;             // unique in the catalog
  std::vector<Label> labels;   // ascending by index, each once
  std::int16_t fold = 0;       // into Catalog::folds
};

struct Catalog {
  Strings classes;

  // train, validation, test, used or not; then the others, numbers first and by value, the rest bytewise.
  // So a fold's index depends on the names alone, not on the order of the rows.
  Strings folds = {"train", "validation", "test"};

  std::vector<Clip> clips;
};

// A CSV file in UTF-8 (RFC 4180: quotes, and commas and line ends inside them; CRLF or LF; a byte-order
// mark or none; blanks around fields are dropped unless quoted, and so are empty lines). Its first line
// names the columns; others than these are passed over:
//   path   the sound file, relative to `root` (default: the manifest's folder); required
//   label  one class, or several separated by ';' (blanks around them are dropped); required
//   key    the clip's name in shards and scores; default: the path as written
//   fold   the fold's name; train where it is empty or there is no such column
// Class indices are positions in `classes` where that is given, else in the sorted labels (bytewise).
// Clips keep the manifest's order. Sound files are not opened.
//
// Throws Error that names file, line and value: missing columns, too few or too many fields, an empty
// path or label, a label outside `classes`, a path that is absolute or holds "..", two equal keys, text
// that is not UTF-8, no clips at all.
Catalog read_manifest(const std::filesystem::path& manifest,
                      const std::optional<std::filesystem::path>& root = {}, const Strings& classes = {});

// A folder whose subfolders are the classes: in bytewise order or, where `classes` is given, in that
// order (a subfolder outside it is an Error). Clips are all files below them, at any depth, ordered
// bytewise by class, then by path; the key is the path relative to `root`; every clip is in fold train.
// Passed over: names that begin with '.' or '_' (".DS_Store", "_background_noise_"), and files directly
// in `root`. Throws Error for a missing folder, one without clips, and names that are not UTF-8.
Catalog read_folders(const std::filesystem::path& root, const Strings& classes = {});

// All files below a folder, without classes or labels, for pre-training. Order, keys and what is passed over
// as in read_folders(), but files directly in `root` count, too. One clip in twenty, by the XXH3 of its key,
// is in fold validation, the others in train. Throws Error for a missing folder, one without files, and names
// that are not UTF-8.
Catalog read_files(const std::filesystem::path& root);

}  // namespace tutti::data
