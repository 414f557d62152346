#include "models/ast_options.h"

#include <gtest/gtest.h>

#include "tests/models/formula.h"

namespace tutti::models {
namespace {

const ClipShape audioset{.frames = 1024, .mels = 128, .classes = 527};

TEST(AstOptions, SizesFillWhatIsNotGiven) {
  const auto tiny = resolved({.size = "tiny", .depth = 4}, audioset);
  EXPECT_EQ(tiny.dim, 192);
  EXPECT_EQ(tiny.depth, 4);
  EXPECT_EQ(tiny.heads, 3);
}

TEST(AstOptions, GridsOfThePublishedInputs) {
  const AstOptions options;
  EXPECT_EQ(patch_grid(options, audioset), (PatchGrid{12, 101}));
  EXPECT_EQ(patch_grid(options, {.frames = 512, .mels = 128}), (PatchGrid{12, 50}));
  EXPECT_EQ(patch_grid(options, {.frames = 128, .mels = 128}), (PatchGrid{12, 12}));
  EXPECT_EQ(patch_grid({.patch = {128, 2}, .stride = {128, 2}}, audioset), (PatchGrid{1, 512}));
}

TEST(AstOptions, ContradictionsNameKeyAndValues) {
  struct Case {
    AstOptions options;
    ClipShape shape;
    std::vector<std::string> said;
  };
  for (const auto& [options, shape, said] : {
           Case{{.patch = {200, 16}}, audioset, {"model.patch", "200", "128", "mels"}},
           Case{{.patch = {16, 16}}, {.frames = 8, .mels = 128, .classes = 2}, {"16", "8", "frames"}},
           Case{{.dim = 100}, audioset, {"model.dim = 100", "model.heads = 12"}},
           Case{{.size = ""}, audioset, {"model.dim = 0", "model.size"}},
           Case{{.size = "huge"}, audioset, {"model.size", "huge", "tiny"}},
           Case{{.patch = {16}}, audioset, {"model.patch = [16]"}},
           Case{{.stride = {10, 0}}, audioset, {"model.stride", "0"}},
           Case{{.stride = {10, 10, 10}}, audioset, {"model.stride = [10, 10, 10]"}},
           Case{{.head = "dist"}, audioset, {"model.head", "dist", "cls_dist"}},
           Case{{.drop_path = 1.0}, audioset, {"model.drop_path", "1"}},
           Case{{}, {.frames = 1024, .mels = 128}, {"model.classes = 0"}},
           Case{{}, {.frames = 0, .mels = 128, .classes = 2}, {"features.frames = 0"}},
       }) {
    const auto message = message_of([&] { resolved(options, shape); });
    for (const auto& part : said) EXPECT_NE(message.find(part), message.npos) << part << ": " << message;
  }
}

}  // namespace
}  // namespace tutti::models
