#include "recipes/optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "recipes/schedule.h"

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

// Sizes with and without a rest after the kernels' vectors.
class FourParameters : public models::Model {
 public:
  explicit FourParameters(at::ScalarType type) {
    for (const auto& [name, size] : {std::pair{"weight", 35}, {"bias", 16}, {"head", 3}, {"fixed", 4}}) {
      register_parameter(name, torch::sin(torch::arange(1, size + 1, torch::kFloat64) * 2).to(type));
    }
  }
  at::Tensor forward(const at::Tensor& input, const at::Tensor&) override { return input; }
};

const std::vector<GroupOptions> kGroups{{.match = {"fixed"}, .frozen = true},
                                        {.match = {"head"}, .lr_scale = 10, .weight_decay = 0.3},
                                        {.match = {"b*"}, .weight_decay = 0}};

// What kGroups makes of learning rate and decay.
double lr_scale(const std::string& name) { return name == "head" ? 10 : 1; }
double decay(const std::string& name, const OptimizerOptions& options) {
  return name == "head" ? 0.3 : name == "bias" ? 0 : options.weight_decay;
}

// Moments are the weighted sums of Kingma and Ba 2015, section 3: m_t = (1 - b) sum_i b^(t - i) g_i.
at::Tensor moment(const std::vector<at::Tensor>& values, double beta) {
  at::Tensor sum = torch::zeros_like(values.front());
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += std::pow(beta, static_cast<double>(values.size() - 1 - i)) * values[i];
  }
  return (1 - beta) * sum;
}

// One parameter in float64.
struct Expected {
  at::Tensor value;
  std::vector<at::Tensor> gradients = {}, squares = {};

  void step(at::Tensor gradient, double lr, double weight_decay, const OptimizerOptions& options) {
    if (options.name == "adam") gradient = gradient + weight_decay * value;
    if (options.name == "adamw") value = value - lr * weight_decay * value;
    gradients.push_back(gradient);
    squares.push_back(gradient.square());
    const auto unbiased = [&](const std::vector<at::Tensor>& values, double beta) {
      return moment(values, beta) / (1 - std::pow(beta, static_cast<double>(values.size())));
    };
    const auto& betas = options.betas;
    value = value - lr * unbiased(gradients, betas[0]) / (unbiased(squares, betas[1]).sqrt() + options.eps);
  }
};

// Twenty steps of three groups: gradients summed over a batch of 6, a norm that is above clip_norm at some
// steps and below it at others, a rate by the schedule. Parameters and moments after each.
void expect_published(const OptimizerOptions& options, at::ScalarType type, double tolerance) {
  FourParameters model(type);
  Optimizer optimizer(model, options, kGroups);
  std::map<std::string, Expected> expected;
  std::int64_t count = 0;
  for (const auto& item : model.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    expected[item.key()].value = item.value().detach().to(torch::kFloat64).clone();
    count += item.value().numel();
  }
  const auto fixed = model.named_parameters()["fixed"].clone();
  const ScheduleOptions schedule{.name = "cosine", .warmup_steps = 5, .final_scale = 0.1};
  const auto expect_near = [&](const at::Tensor& found, const at::Tensor& value, const std::string& what) {
    const auto error = (found.to(torch::kFloat64) - value).abs() / value.abs().clamp_min(1.0);
    EXPECT_LE(error.max().item<double>(), tolerance) << options.name << ' ' << what;
  };
  int clipped = 0;
  for (int step = 0; step < 20; ++step) {
    const auto flat =
        ((0.3 + 0.2 * std::sin(step)) * torch::cos(torch::arange(count, torch::kFloat64) * 3 + 1.7 * step))
            .to(type);
    auto mean = flat.to(torch::kFloat64) / 6;
    const double norm = std::sqrt(mean.square().sum().item<double>());
    const bool clips = options.clip_norm > 0 && norm > options.clip_norm;
    clipped += clips;
    if (clips) mean = mean * (options.clip_norm / (norm + 1e-6));
    EXPECT_NEAR(average_and_clip(flat, 6, options.clip_norm), norm, tolerance);

    std::int64_t begin = 0;
    const double lr = options.lr * schedule_factor(schedule, step, {20, 1});
    for (auto& item : model.named_parameters()) {
      auto& parameter = item.value();
      if (!parameter.requires_grad()) continue;
      const auto size = parameter.numel();
      parameter.mutable_grad() = flat.narrow(0, begin, size);
      expected.at(item.key())
          .step(mean.narrow(0, begin, size), lr * lr_scale(item.key()), decay(item.key(), options), options);
      begin += size;
    }
    optimizer.step(lr);
    const auto state = optimizer.state();
    for (const auto& [name, value] : expected) {
      const std::string where = text(name, " after step ", step);
      expect_near(model.named_parameters()[name].detach(), value.value, where);
      expect_near(state.at("exp_avg." + name), moment(value.gradients, options.betas[0]), "mean, " + where);
      expect_near(state.at("exp_avg_sq." + name), moment(value.squares, options.betas[1]),
                  "square, " + where);
      EXPECT_EQ(state.at("step." + name).item<double>(), step + 1);
    }
  }
  EXPECT_TRUE(torch::equal(model.named_parameters()["fixed"], fixed));
  if (options.clip_norm > 0) {
    EXPECT_GT(clipped, 3);
    EXPECT_LT(clipped, 17);
  }
}

TEST(Optimizer, FollowsThePublishedAlgorithms) {
  for (const char* name : {"adamw", "adam"}) {
    for (const double clip_norm : {0.0, 0.25}) {
      const OptimizerOptions options{
          .name = name, .lr = 0.01, .betas = {0.9, 0.99}, .weight_decay = 0.1, .clip_norm = clip_norm};
      expect_published(options, torch::kFloat64, 1e-12);
      expect_published(options, torch::kFloat32, 2e-6);
    }
  }
}

// A constant gradient g moves a parameter by u = lr g / (|g| + eps) at each step, whatever the betas; decay
// apart from it makes that a geometric series with r = 1 - lr decay.
TEST(Optimizer, ConstantGradientGivesASeries) {
  for (const double weight_decay : {0.0, 0.2}) {
    for (const char* name : {"adamw", "adam"}) {
      if (name == std::string("adam") && weight_decay > 0) continue;
      FourParameters model(torch::kFloat64);
      Optimizer optimizer(model, {.name = name, .eps = 0.5, .weight_decay = weight_decay}, {});
      const auto start = model.named_parameters()["weight"].clone();
      const auto gradient = torch::linspace(-3, 3, 35, torch::kFloat64);
      const double lr = 0.05, r = 1 - lr * weight_decay;
      for (int step = 1; step <= 20; ++step) {
        for (auto& parameter : model.parameters()) parameter.mutable_grad() = torch::zeros_like(parameter);
        model.named_parameters()["weight"].mutable_grad() = gradient;
        optimizer.step(lr);
        const double series = weight_decay > 0 ? (1 - std::pow(r, step)) / (1 - r) : step;
        const auto expected = start * std::pow(r, step) - lr * gradient / (gradient.abs() + 0.5) * series;
        EXPECT_LE((model.named_parameters()["weight"] - expected).abs().max().item<double>(), 1e-12) << name;
      }
    }
  }
}

TEST(Optimizer, ClippingScalesAllGradientsAlike) {
  const auto clipped = [](double weight, double clip_norm) {
    auto gradients = torch::tensor({6.0, -8.0}, torch::kFloat64);
    EXPECT_DOUBLE_EQ(average_and_clip(gradients, weight, clip_norm), 10 / weight);
    return gradients;
  };
  const auto gradients = torch::tensor({6.0, -8.0}, torch::kFloat64);
  EXPECT_TRUE(torch::equal(clipped(1, 0), gradients));
  EXPECT_TRUE(torch::equal(clipped(1, 10), gradients));
  EXPECT_TRUE(torch::equal(clipped(2, 5), gradients / 2));
  // As torch.nn.utils.clip_grad_norm_ does.
  EXPECT_TRUE(torch::allclose(clipped(2, 1), gradients / 2 * (1 / (5 + 1e-6)), 1e-15, 0));
}

TEST(Optimizer, FrozenParametersHaveNoState) {
  TwoVectors model;
  const OptimizerOptions options{.betas = {0.9, 0.99}, .weight_decay = 0.1};
  Optimizer optimizer(model, options, {{.match = {"b"}, .frozen = true}});
  EXPECT_EQ(optimizer.parameters().size(), 1U);
  EXPECT_FALSE(model.b.requires_grad());
  take_steps(model, optimizer, 0, 5, 0.01);
  EXPECT_EQ(model.b.item<float>(), 3.0F);
  EXPECT_NE(model.a[0].item<float>(), 1.0F);
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
