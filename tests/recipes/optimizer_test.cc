#include "recipes/optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "base/error.h"

namespace tutti::recipes {
namespace {

class TwoVectors : public models::Model {
 public:
  TwoVectors() {
    a = register_parameter("a", torch::tensor({1.0F, -2.0F, 0.5F}));
    b = register_parameter("b", torch::tensor({3.0F}));
  }
  at::Tensor forward(const at::Tensor& input, const at::Tensor&) override { return input; }
  at::Tensor a, b;
};

// Gradients that change with the step.
float gradient(int step, std::int64_t i) {
  return std::sin(1.3F * static_cast<float>(step) + static_cast<float>(i));
}

void take_steps(TwoVectors& model, Optimizer& optimizer, int first, int last, double lr) {
  for (int step = first; step < last; ++step) {
    for (auto& parameter : model.parameters()) {
      if (!parameter.requires_grad()) continue;
      auto grad = torch::empty_like(parameter);
      for (std::int64_t i = 0; i < grad.numel(); ++i) grad[i] = gradient(step, i);
      parameter.mutable_grad() = grad;
    }
    optimizer.step(lr);
  }
}

// The published algorithms in float64, on one number.
double expected(double w, std::int64_t i, int steps, double lr, double decay, bool decoupled) {
  double m = 0, v = 0;
  for (int t = 1; t <= steps; ++t) {
    double g = gradient(t - 1, i);
    if (decoupled) {
      w -= lr * decay * w;
    } else {
      g += decay * w;
    }
    m = 0.9 * m + 0.1 * g;
    v = 0.99 * v + 0.01 * g * g;
    w -= lr * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.99, t))) + 1e-8);
  }
  return w;
}

TEST(Optimizer, FollowsThePublishedAlgorithms) {
  for (const bool decoupled : {true, false}) {
    TwoVectors model;
    const OptimizerOptions options{
        .name = decoupled ? "adamw" : "adam", .betas = {0.9, 0.99}, .weight_decay = 0.1};
    Optimizer optimizer(model, options, {});
    take_steps(model, optimizer, 0, 20, 0.01);
    const double start[] = {1.0, -2.0, 0.5};
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(model.a[i].item<double>(), expected(start[i], i, 20, 0.01, 0.1, decoupled), 2e-6)
          << options.name;
    }
  }
}

TEST(Optimizer, GroupsScaleDecayAndFreeze) {
  TwoVectors model;
  const OptimizerOptions options{.betas = {0.9, 0.99}, .weight_decay = 0.1};
  Optimizer optimizer(
      model, options,
      {{.match = {"b"}, .frozen = true}, {.match = {"a*"}, .lr_scale = 10, .weight_decay = 0}});
  EXPECT_EQ(optimizer.parameters().size(), 1U);
  EXPECT_FALSE(model.b.requires_grad());
  take_steps(model, optimizer, 0, 5, 0.01);
  EXPECT_EQ(model.b.item<float>(), 3.0F);
  EXPECT_NEAR(model.a[0].item<double>(), expected(1.0, 0, 5, 0.1, 0.0, true), 2e-6);
  EXPECT_FALSE(optimizer.state().contains("exp_avg.b"));
}

TEST(Optimizer, PatternThatFitsNothingIsAnError) {
  TwoVectors model;
  EXPECT_THROW(Optimizer(model, {}, {{.match = {"c*"}}}), UsageError);
  TwoVectors frozen;
  EXPECT_THROW(Optimizer(frozen, {}, {{.match = {"*"}, .frozen = true}}), UsageError);
}

TEST(Optimizer, SavedStateContinuesBitForBit) {
  TwoVectors whole, first;
  Optimizer one(whole, {}, {}), two(first, {}, {});
  take_steps(whole, one, 0, 10, 0.01);
  take_steps(first, two, 0, 4, 0.01);
  TwoVectors second;
  {
    const torch::NoGradGuard no_grad;
    second.a.copy_(first.a);
    second.b.copy_(first.b);
  }
  Optimizer three(second, {}, {});
  three.load_state(two.state());
  take_steps(second, three, 4, 10, 0.01);
  EXPECT_TRUE(torch::equal(whole.a, second.a));
  auto damaged = two.state();
  damaged.erase("exp_avg.a");
  EXPECT_THROW(three.load_state(damaged), Error);
}

}  // namespace
}  // namespace tutti::recipes
