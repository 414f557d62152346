#include "models/position_embedding.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "models/weights.h"
#include "tests/models/formula.h"

namespace tutti::models {
namespace {

TEST(PositionEmbedding, EqualsTheAuthorsCutsAndInterpolations) {
  struct Case {
    std::string name;
    std::int64_t leading;
    PatchGrid from, to;
  };
  const auto golden = load_tensors("tests/golden/positions.safetensors").tensors;
  for (const auto& [name, leading, from, to] :
       {Case{"cut_time", 2, {12, 101}, {12, 50}}, Case{"cut_both", 2, {12, 101}, {7, 12}},
        Case{"lengthen_both", 2, {12, 101}, {20, 130}}, Case{"imagenet_384", 2, {24, 24}, {12, 101}},
        Case{"imagenet_224", 1, {14, 14}, {12, 8}}, Case{"columns", 2, {1, 20}, {1, 33}}}) {
    const auto positions = formula_tensor("positions", {1, leading + from.patches(), 2});
    const auto adapted = adapted_positions(positions, leading, from, to);
    ASSERT_EQ(adapted.sizes(), golden.at(name).sizes()) << name;
    EXPECT_LE((adapted - golden.at(name)).abs().max().item<double>(), 1e-6) << name;
  }
}

TEST(PositionEmbedding, NearestRepeatsButStillCuts) {
  const auto positions = torch::arange(1 + 6).to(torch::kFloat).view({1, 7, 1});  // one token; 3 x 2 patches
  const auto adapted = adapted_positions(positions, 1, {3, 2}, {2, 4}, "nearest");
  // Columns twice each; then of three rows the two from 3 / 2 - 2 / 2 = 0 on.
  EXPECT_TRUE(at::equal(adapted.flatten(), torch::tensor({0.F, 1.F, 1.F, 2.F, 2.F, 3.F, 3.F, 4.F, 4.F})));
}

TEST(PositionEmbedding, TheSameGridChangesNothing) {
  const auto positions = formula_tensor("positions", {1, 2 + 12 * 10, 4});
  EXPECT_TRUE(at::equal(adapted_positions(positions, 2, {12, 10}, {12, 10}), positions));
}

TEST(PositionEmbedding, GuessesPublishedGridsThenColumnsOfTheModels) {
  const AstOptions square;
  const AstOptions columns{.patch = {128, 2}};
  EXPECT_EQ(guessed_grid(1212, square, {6, 50}, "x"), (PatchGrid{12, 101}));
  EXPECT_EQ(guessed_grid(576, square, {12, 101}, "x"), (PatchGrid{24, 24}));
  EXPECT_EQ(guessed_grid(600, square, {12, 101}, "x"), (PatchGrid{12, 50}));
  EXPECT_EQ(guessed_grid(512, columns, {1, 64}, "x"), (PatchGrid{1, 512}));
  const auto message = message_of([&] { guessed_grid(601, square, {12, 101}, "w.safetensors"); });
  EXPECT_NE(message.find("w.safetensors"), message.npos) << message;
  EXPECT_NE(message.find("601"), message.npos) << message;
}

TEST(PositionEmbedding, GridsAsText) {
  EXPECT_EQ(grid_from_text(to_text({12, 101}), "x"), (PatchGrid{12, 101}));
  for (const char* wrong : {"", "12", "x", "12x", "x3", "12x3x", "0x3", "-1x-3", "12 x 3", "99999999999x1"}) {
    EXPECT_NE(message_of([&] { grid_from_text(wrong, "w.safetensors"); }), "") << wrong;
  }
}

}  // namespace
}  // namespace tutti::models
