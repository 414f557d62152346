#include "models/weights.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "models/ast.h"
#include "tests/models/formula.h"
#include "tests/temporary_folder.h"

namespace tutti::models {
namespace {

AstOptions tiny_options() { return {.size = "", .dim = 24, .depth = 1, .heads = 3}; }

ClipShape clip(std::int64_t frames) { return {.frames = frames, .mels = 128, .classes = 5}; }

Weights weights_of(const Model& model) {
  Weights weights{"w.safetensors", {}, {}};
  for (const auto& [name, tensor] : parameters_of(model)) weights.tensors[name] = tensor.detach().clone();
  return weights;
}

void expect_equal(const Model& a, const Model& b) {
  const auto others = b.named_parameters();
  for (const auto& [name, tensor] : parameters_of(a)) EXPECT_TRUE(at::equal(tensor, others[name])) << name;
}

TEST(Weights, EveryDtypeAndLayoutSurvives) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  std::vector<NamedTensor> tensors;
  for (const auto type : {at::kBool, at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf,
                          at::kBFloat16, at::kFloat, at::kDouble}) {
    tensors.push_back({c10::toString(type), at::arange(6).reshape({2, 3}).to(type).t()});
  }
  save_tensors(path, tensors, {{"recipe", "x"}});
  const auto loaded = load_tensors(path);
  EXPECT_EQ(loaded.metadata, (Metadata{{"format", "pt"}, {"recipe", "x"}}));
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(loaded.tensors.at(name).scalar_type(), tensor.scalar_type());
    EXPECT_TRUE(at::equal(loaded.tensors.at(name), tensor)) << name;
  }
  EXPECT_NE(message_of([&] { save_tensors(path, {{"z", at::zeros({2}, at::kComplexFloat)}}, {}); }), "");
}

TEST(Weights, SavedParametersLoadIntoAnotherModel) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  const Ast saved(tiny_options(), clip(40), 1);
  Ast loaded(tiny_options(), clip(40), 2);
  save_parameters(path, saved, {{"recipe", "x"}});
  EXPECT_TRUE(load_parameters(loaded, load_tensors(path)).empty());
  expect_equal(loaded, saved);
}

TEST(Weights, ThePrefixOfDataParallelAndDeadClassifiersAreTaken) {
  const Ast saved(tiny_options(), clip(40), 1);
  Ast loaded(tiny_options(), clip(40), 2);
  Weights weights{"w.pth", {}, {}};
  for (const auto& [name, tensor] : parameters_of(saved)) weights.tensors["module." + name] = tensor.detach();
  weights.tensors["module.v.head.weight"] = at::zeros({1000, 24});
  weights.tensors["module.v.head_dist.bias"] = at::zeros({1000});
  const auto report = load_parameters(loaded, weights);
  ASSERT_EQ(report.size(), 2u);
  EXPECT_NE(report[0].find("v.head.weight"), std::string::npos);
  expect_equal(loaded, saved);
}

TEST(Weights, MisfitsAreAllNamedAndNothingIsLoaded) {
  const Ast original(tiny_options(), clip(40), 1);
  Ast model(tiny_options(), clip(40), 1);
  auto weights = weights_of(Ast(tiny_options(), clip(40), 2));
  weights.tensors.erase("v.norm.bias");
  weights.tensors["mlp_head.1.weight"] = at::zeros({527, 24});
  weights.tensors["v.norm.weight"] = at::zeros({24}, at::kLong);
  weights.tensors["surprise"] = at::zeros({3});
  const auto message = message_of([&] { load_parameters(model, weights); });
  for (const char* part : {"w.safetensors", "v.norm.bias", "mlp_head.1.weight", "[5, 24]", "[527, 24]",
                           "v.norm.weight", "surprise", "missing", "unknown"}) {
    EXPECT_NE(message.find(part), message.npos) << part << ": " << message;
  }
  expect_equal(model, original);
}

TEST(Weights, PositionsOfAnotherGridAreAdaptedAndSaid) {
  const Ast longer(tiny_options(), clip(200), 1);  // 12 x 19 patches
  Ast shorter(tiny_options(), clip(100), 2);       // 12 x 9
  const auto report = load_parameters(shorter, weights_of(longer));
  ASSERT_EQ(report.size(), 1u);
  EXPECT_NE(report[0].find("12x19"), std::string::npos) << report[0];
  EXPECT_NE(report[0].find("12x9"), std::string::npos) << report[0];
  // Column c of the shorter grid is column 19 / 2 - 9 / 2 + c of the longer one.
  const auto positions = shorter.named_parameters()["v.pos_embed"];
  const auto source = longer.named_parameters()["v.pos_embed"];
  EXPECT_TRUE(at::equal(positions[0][1], source[0][1]));
  EXPECT_TRUE(at::equal(positions[0][2 + 3 * 9 + 4], source[0][2 + 3 * 19 + 9]));
}

TEST(Weights, AStatedGridIsBelievedBeforeAGuess) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  auto options = tiny_options();
  options.patch = {16, 16};
  options.stride = {16, 16};
  const Ast saved(options, clip(16 * 72), 1);  // 8 x 72 = 576 patches, which would be taken for 24 x 24
  save_parameters(path, saved, {});
  Ast loaded(options, clip(160), 2);
  const auto report = load_parameters(loaded, load_tensors(path));
  ASSERT_EQ(report.size(), 1u);
  EXPECT_NE(report[0].find("8x72"), std::string::npos) << report[0];

  auto lying = load_tensors(path);
  lying.metadata["positional_grid"] = "8x71";
  EXPECT_NE(message_of([&] { load_parameters(loaded, lying); }).find("8x71"), std::string::npos);
}

}  // namespace
}  // namespace tutti::models
