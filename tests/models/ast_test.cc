#include "models/ast.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>

#include "base/error.h"
#include "models/weights.h"
#include "tests/models/formula.h"

namespace tutti::models {
namespace {

const ClipShape small_clip{.frames = 40, .mels = 128, .classes = 5};

AstOptions columns() {
  return {.size = "", .dim = 48, .depth = 3, .heads = 4, .patch = {128, 4}, .stride = {128, 2}};
}

// |a - b| <= 1e-4 max(1, |b|), for every element.
void expect_close(const at::Tensor& a, const at::Tensor& b, const std::string& what) {
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  const auto excess = ((a - b).abs() / b.abs().clamp_min(1.0)).max().item<double>();
  EXPECT_LE(excess, 1e-4) << what << "\n" << a << "\n" << b;
}

// Logits, loss and the gradient of every parameter against tests/golden/make_ast.py.
void expect_golden(const std::string& name, const AstOptions& options, const ClipShape& shape,
                   std::int64_t clips = 2) {
  const auto golden = load_tensors("tests/golden/ast.safetensors").tensors;
  Ast model(options, shape, /*seed=*/0);
  fill_by_formula(model);
  const auto logits = model.forward(formula_tensor("input", {clips, shape.frames, shape.mels}), {});
  const auto loss = (logits * formula_tensor("cotangent", logits.sizes())).sum();
  loss.backward();
  expect_close(logits, golden.at(name + ".logits"), "logits");
  expect_close(loss.reshape(1), golden.at(name + ".loss"), "loss");
  for (const auto& [parameter, value] : parameters_of(model)) {
    const auto probe = formula_tensor("probe." + parameter, value.sizes());
    const auto found = at::stack({value.grad().norm(), (value.grad() * probe).sum()});
    expect_close(found, golden.at(name + ".gradient." + parameter), parameter);
  }
}

TEST(AstGolden, TinyEqualsTransformers) {
  for (const std::int64_t frames : {128, 500, 1024}) {
    expect_golden(text("tiny.", frames), {.size = "tiny"}, {.frames = frames, .mels = 128, .classes = 5});
  }
}

TEST(AstGolden, ColumnPatches) { expect_golden("columns", columns(), small_clip); }

TEST(AstGolden, HeadOnClsAlone) {
  expect_golden("cls", {.size = "", .dim = 48, .depth = 2, .heads = 4, .stride = {16, 8}, .head = "cls"},
                small_clip);
}

TEST(AstGolden, HeadOnTheMeanOfPatches) {
  expect_golden(
      "mean",
      {.size = "", .dim = 48, .depth = 2, .heads = 4, .patch = {128, 2}, .stride = {128, 2}, .head = "mean"},
      small_clip);
}

// A suite of its own, for it takes seconds.
TEST(AstBaseGolden, EqualsTransformers) {
  expect_golden("base.128", {.size = "base"}, {.frames = 128, .mels = 128, .classes = 5});
  expect_golden("base.1024", {.size = "base"}, {.frames = 1024, .mels = 128, .classes = 5}, /*clips=*/1);
}

TEST(Ast, PublishedParameterCountsAndFlops) {
  const ClipShape audioset{.frames = 1024, .mels = 128, .classes = 527};
  EXPECT_EQ(parameter_count(Ast({.size = "tiny"}, audioset, 0)), 5'723'663);
  EXPECT_EQ(parameter_count(Ast({.size = "small"}, audioset, 0)), 22'063'631);
  // The authors' log says 88.132 M, of which v.head and v.head_dist, unused, are 2 (768 + 1) 1000.
  EXPECT_EQ(parameter_count(Ast({.size = "base"}, audioset, 0)), 88'132'063 - 2 * 769 * 1000);

  const auto flops = ast_flops({.size = "base"}, audioset);
  EXPECT_EQ(flops.whole, 261'028'747'776.0);
  // The last block has keys and values for 1214 tokens, the rest for 2.
  const double skipped = 1212.0 * (2.0 * 2 * 768 * 768 + 4.0 * 1214 * 768 + 2.0 * 2 * 3072 * 768);
  EXPECT_EQ(flops.computed, flops.whole - skipped);
}

TEST(Ast, ClipsDoNotInfluenceEachOther) {
  Ast model({.size = "", .dim = 48, .depth = 3, .heads = 4, .drop_path = 0.5, .dropout = 0.2}, small_clip, 1);
  const auto input = formula_tensor("input", {4, 40, 128});
  const auto keys = at::tensor({11, 22, 33, 44}, at::kLong);
  const auto together = model.forward(input, keys);
  for (std::int64_t i = 0; i < 4; ++i) {
    expect_close(model.forward(input.narrow(0, i, 1), keys.narrow(0, i, 1)), together.narrow(0, i, 1),
                 "alone");
  }
  EXPECT_TRUE(at::equal(together, model.forward(input, keys)));
  EXPECT_FALSE(at::allclose(together, model.forward(input, keys + 1)));
  EXPECT_FALSE(at::allclose(together, model.forward(input, {})));
}

TEST(Ast, AttentionOfTheRowsThatTheHeadReads) {
  const at::NoGradGuard no_grad;
  const auto input = formula_tensor("input", {2, small_clip.frames, small_clip.mels});
  for (const auto& [head, leading] : {std::pair("cls_dist", 2), std::pair("cls", 1), std::pair("mean", 2)}) {
    auto options = columns();
    options.head = head;
    Ast model(options, small_clip, /*seed=*/0);
    fill_by_formula(model);
    const auto maps = model.attention(input);
    ASSERT_EQ(maps.sizes(), (at::IntArrayRef{2, 3, small_clip.frames, small_clip.mels})) << head;
    EXPECT_FALSE(at::allclose(maps[0], maps[1])) << head;
    // Every patch covers the whole spectrum, so a frame has one value.
    EXPECT_TRUE(at::allclose(maps.narrow(3, 0, 1).expand_as(maps), maps)) << head;
    // Without queries and keys every token attends to all alike: 19 patches and the leading ones.
    for (auto& item : model.named_parameters()) {
      if (item.key().find("attn.qkv") != std::string::npos) item.value().zero_();
    }
    EXPECT_TRUE(at::allclose(model.attention(input), at::full_like(maps, 1.0 / (19 + leading)))) << head;
  }
}

TEST(Ast, NeverTouchesTorchsGenerator) {
  torch::manual_seed(3);
  const auto expected = at::rand({4});
  torch::manual_seed(3);
  Ast model({.size = "", .dim = 48, .depth = 2, .heads = 4, .drop_path = 0.5, .dropout = 0.2}, small_clip, 1);
  model.forward(formula_tensor("input", {2, 40, 128}), at::tensor({5, 6}, at::kLong)).sum().backward();
  EXPECT_TRUE(at::equal(at::rand({4}), expected));
}

TEST(Ast, EmptyBatchGivesZeroGradients) {
  auto options = columns();
  options.drop_path = options.dropout = 0.1;
  for (const char* head : {"cls_dist", "cls", "mean"}) {
    options.head = head;
    Ast model(options, small_clip, 1);
    const auto logits = model.forward(at::empty({0, 40, 128}), at::empty({0}, at::kLong));
    EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{0, 5}));
    logits.sum().backward();
    for (const auto& [name, parameter] : parameters_of(model)) {
      ASSERT_TRUE(parameter.grad().defined()) << name;
      EXPECT_EQ(parameter.grad().abs().max().item<float>(), 0.0f) << name;
    }
  }
}

TEST(Ast, AutocastIsCloseAndGivesFloatLogits) {
  Ast model(columns(), small_clip, 1);
  fill_by_formula(model);
  const auto input = formula_tensor("input", {2, 40, 128});
  const auto keys = at::tensor({5, 6}, at::kLong);
  const auto exact = model.forward(input, keys);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto rounded = model.forward(input, keys);
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_EQ(rounded.scalar_type(), at::kFloat);
  EXPECT_LT((exact - rounded).abs().max().item<double>(), 0.05);
  EXPECT_FALSE(at::equal(exact, rounded));
  rounded.sum().backward();
  EXPECT_GT(model.named_parameters()["v.pos_embed"].grad().abs().max().item<float>(), 0.0f);
}

TEST(Ast, InputOfAnotherShapeIsAnErrorThatNamesBoth) {
  Ast model(columns(), small_clip, 1);
  const auto message = message_of([&] { model.forward(at::zeros({2, 128, 40}), {}); });
  EXPECT_NE(message.find("[2, 128, 40]"), message.npos) << message;
  EXPECT_NE(message.find("40 frames, 128 mels"), message.npos) << message;
}

}  // namespace
}  // namespace tutti::models
