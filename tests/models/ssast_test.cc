#include "models/ssast.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "models/ast.h"
#include "models/weights.h"
#include "tests/expect_error.h"
#include "tests/models/formula.h"

namespace tutti::models {
namespace {

AstOptions transformer(Integers patch) {
  return {.size = "", .dim = 48, .depth = 2, .heads = 4, .patch = std::move(patch)};
}

// |a - b| <= 1e-4 max(1, |b|), for every element.
void expect_close(const at::Tensor& a, const at::Tensor& b, const std::string& what) {
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  EXPECT_LE(((a - b).abs() / b.abs().clamp_min(1.0)).max().item<double>(), 1e-4) << what << '\n' << a << b;
}

// Losses and gradients against tests/golden/make_ssast.py, which has the masks of the keys 1 and 2.
void expect_golden(const std::string& name, const Integers& patch, std::int64_t frames, std::int64_t masks) {
  const auto golden = load_tensors("tests/golden/ssast.safetensors").tensors;
  Ssast model({.masks = masks}, transformer(patch), {.frames = frames, .mels = 128}, /*seed=*/0);
  fill_by_formula(model);
  const auto keys = torch::tensor({std::int64_t{1}, std::int64_t{2}});
  const auto outputs = model.forward(formula_tensor("input", {2, frames, 128}), keys);
  (outputs.select(1, 0) * formula_tensor("cotangent", {2})).sum().backward();
  expect_close(outputs, golden.at(name + ".outputs"), "outputs");
  for (const auto& [parameter, value] : parameters_of(model)) {
    const auto probe = formula_tensor("probe." + parameter, value.sizes());
    const auto found = at::stack({value.grad().norm(), (value.grad() * probe).sum()});
    expect_close(found, golden.at(name + ".gradient." + parameter), parameter);
  }
}

TEST(SsastGolden, Patches) { expect_golden("patch", {16, 16}, 64, 12); }
TEST(SsastGolden, Frames) { expect_golden("frame", {128, 2}, 40, 8); }

TEST(Ssast, OutputsOfAClipDoNotDependOnItsBatch) {
  Ssast model({.masks = 8}, transformer({128, 2}), {.frames = 40, .mels = 128}, 3);
  const auto input = formula_tensor("input", {3, 40, 128});
  const auto keys = torch::tensor({std::int64_t{5}, std::int64_t{6}, std::int64_t{7}});
  const auto all = model.forward(input, keys);
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto alone = model.forward(input.narrow(0, i, 1), keys.narrow(0, i, 1));
    expect_close(alone, all.narrow(0, i, 1), "clip");
  }
  EXPECT_FALSE(at::equal(model.forward(input, keys + 1), all)) << "other keys, other masks";
  EXPECT_TRUE(at::equal(model.forward(input, {}), model.forward(input, {})));

  const auto empty = model.forward(input.narrow(0, 0, 0), keys.narrow(0, 0, 0));
  EXPECT_EQ(empty.sizes(), (std::vector<std::int64_t>{0, 4}));
  empty.sum().backward();
  EXPECT_EQ(model.named_parameters()["mask_embed"].grad().abs().sum().item<double>(), 0);
}

// What is pre-trained becomes an AST whose head reads the patches, with strides and lengths of its own.
TEST(Ssast, GoesOnAsAst) {
  const Ssast pretrained({.masks = 8}, transformer({128, 2}), {.frames = 40, .mels = 128}, 3);
  Weights weights{"ssast.safetensors", {}, pretrained.metadata()};
  for (const auto& [name, tensor] : parameters_of(pretrained)) weights.tensors[name] = tensor.detach();
  auto options = transformer({128, 2});
  options.stride = {128, 1};
  options.head = "mean";
  Ast model(options, {.frames = 30, .mels = 128, .classes = 4}, 9);
  const auto report = load_parameters(model, weights, {"mlp_head.*"});
  EXPECT_EQ(report.size(), 5U) << "mask_embed, two predictors, what is skipped, positions";
  const auto own = model.named_parameters();
  for (const auto& [name, tensor] : parameters_of(pretrained)) {
    if (!name.starts_with("v.") || name == "v.pos_embed") continue;
    EXPECT_TRUE(at::equal(own[name], tensor)) << name;
  }
}

TEST(Ssast, RefusesMoreMasksThanPatches) {
  expect_error(
      [] {
        const Ssast model({.masks = 19}, transformer({128, 2}), {.frames = 40, .mels = 128}, 1);
      },
      {"model.masks = 19", "20 patches"});
}

}  // namespace
}  // namespace tutti::models
