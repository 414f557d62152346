#include "data/predictions.h"

#include <array>
#include <span>

#include "base/error.h"
#include "data/hdf5_writer.h"

namespace tutti::data {

void write_predictions(const std::filesystem::path& path, const Predictions& all) {
  const std::array<hsize_t, 1> clips = {all.keys.size()};
  const std::array<hsize_t, 2> pairs = {all.keys.size(), all.classes.size()};
  if (all.fold.size() != clips[0] || all.score.size() != pairs[0] * pairs[1] ||
      all.target.size() != all.score.size()) {
    throw Error(text("cannot write '", path.native(), "'"),
                text(clips[0], " clips of ", pairs[1], " classes have ", all.fold.size(), " folds, ",
                     all.score.size(), " scores and ", all.target.size(), " targets"));
  }
  write_hdf5(path, [&](Hdf5Writer& writer) {
    writer.attribute("format_version", std::int64_t{1});
    writer.attribute("kind", std::string("predictions"));
    writer.attribute("model", all.model);
    writer.dataset("key", all.keys);
    writer.dataset("fold", std::span(all.fold), clips);
    writer.dataset("score", std::span(all.score), pairs);
    writer.dataset("target", std::span(all.target), pairs);
    writer.dataset("classes", all.classes);
    writer.dataset("folds", all.folds);
  });
}

}  // namespace tutti::data
