#include "models/initialisation.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "models/ast.h"

namespace tutti::models {
namespace {

TEST(Initialisation, NormalHasItsMomentsAndSeldomTails) {
  auto x = at::empty({1000, 501});
  fill_normal(x, 0.02, 7);
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 1e-4);
  EXPECT_NEAR(x.std().item<double>(), 0.02, 1e-4);
  EXPECT_NEAR((x.abs() > 0.04).to(at::kFloat).mean().item<double>(), 0.0455, 0.002);
  const auto kurtosis = (x / 0.02).pow(4).mean().item<double>();
  EXPECT_NEAR(kurtosis, 3.0, 0.05);
}

TEST(Initialisation, UniformFillsItsRange) {
  auto x = at::empty({1000, 333});
  fill_uniform(x, 0.0625, 7);
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 2e-4);
  EXPECT_NEAR(x.var().item<double>(), 0.0625 * 0.0625 / 3, 1e-5);
  EXPECT_GE(x.min().item<double>(), -0.0625);
  EXPECT_LT(x.max().item<double>(), 0.0625);
}

TEST(Initialisation, ValuesDependOnKeyAndPlaceAlone) {
  auto a = at::empty({10}), b = at::empty({7}), c = at::empty({10});
  fill_normal(a, 1.0, parameter_key(1, "v.cls_token"));
  fill_normal(b, 1.0, parameter_key(1, "v.cls_token"));
  fill_normal(c, 1.0, parameter_key(1, "v.dist_token"));
  EXPECT_TRUE(at::equal(a.narrow(0, 0, 7), b));
  EXPECT_FALSE(at::equal(a, c));
  EXPECT_NE(parameter_key(1, "v.cls_token"), parameter_key(2, "v.cls_token"));
}

TEST(Initialisation, AstIsInitialisedAsByItsAuthors) {
  const ClipShape shape{.frames = 128, .mels = 128, .classes = 50};
  const Ast model({.size = "tiny"}, shape, 5);
  for (const auto& item : model.named_parameters()) {
    const auto& [name, value] = std::pair(item.key(), item.value());
    const double count = static_cast<double>(value.numel());
    const bool default_layer = name.starts_with("v.patch_embed.proj") || name.starts_with("mlp_head.1");
    if (default_layer) {  // uniform in +-1 / sqrt(inputs)
      const double bound = 1.0 / std::sqrt(name.starts_with("v.") ? 256.0 : 192.0);
      EXPECT_LE(value.abs().max().item<double>(), bound) << name;
      EXPECT_NEAR(value.std().item<double>(), bound / std::sqrt(3.0), 2 * bound / std::sqrt(count)) << name;
    } else if (value.dim() > 1) {
      EXPECT_NEAR(value.std().item<double>(), 0.02, 0.08 / std::sqrt(2 * count)) << name;
      EXPECT_NEAR(value.mean().item<double>(), 0.0, 0.08 / std::sqrt(count)) << name;
    } else {
      const float expected = name.ends_with(".weight") ? 1.0f : 0.0f;
      EXPECT_TRUE(at::equal(value, at::full_like(value, expected))) << name;
    }
  }
}

TEST(Initialisation, OtherParametersDoNotMoveAParametersValues) {
  const ClipShape shape{.frames = 40, .mels = 128, .classes = 5};
  const AstOptions shallow{.size = "", .dim = 48, .depth = 1, .heads = 4};
  auto deep = shallow;
  deep.depth = 3;
  const auto a = Ast(shallow, shape, 5).named_parameters();
  const auto b = Ast(deep, shape, 5).named_parameters();
  const auto c = Ast(shallow, shape, 6).named_parameters();
  for (const auto& item : a) EXPECT_TRUE(at::equal(item.value(), b[item.key()])) << item.key();
  EXPECT_FALSE(at::equal(a["v.cls_token"], c["v.cls_token"]));
}

}  // namespace
}  // namespace tutti::models
