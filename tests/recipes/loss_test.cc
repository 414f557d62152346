#include "recipes/loss.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace tutti::recipes {
namespace {

const auto kDouble = torch::kFloat64;

// Row i of both arguments, from fixed numbers.
at::Tensor logits() {
  return torch::tensor({0.5, -1.25, 2.0, -0.75, 0.0, 1.5}, torch::kFloat32).view({2, 3});
}
at::Tensor target() { return torch::tensor({1.0, 0.0, 1.0, 0.0, 0.3, 0.7}, torch::kFloat32).view({2, 3}); }

TEST(Loss, BceIsTheWeightedSumOfItsDefinition) {
  const auto weight = torch::tensor({2.0F, 1.0F}).view({2, 1});
  const double s = 0.2;
  const auto loss = evaluate_loss({"bce", s}, logits(), target(), weight);
  double expected = 0;
  for (int row = 0; row < 2; ++row) {
    for (int c = 0; c < 3; ++c) {
      const double x = logits()[row][c].item<double>();
      const double t = target()[row][c].item<double>() * (1 - s) + s / 2;
      const double p = 1 / (1 + std::exp(-x));
      expected -= weight[row][0].item<double>() * (t * std::log(p) + (1 - t) * std::log(1 - p));
    }
  }
  EXPECT_NEAR(loss.sum.item<double>(), expected, 1e-5);
  EXPECT_EQ(loss.weight.item<double>(), 9.0);
}

TEST(Loss, CeIsTheWeightedSumOfItsDefinition) {
  const auto weight = torch::tensor({2.0F, 1.0F}).view({2, 1});
  const double s = 0.1;
  const auto loss = evaluate_loss({"ce", s}, logits(), target(), weight);
  double expected = 0;
  for (int row = 0; row < 2; ++row) {
    const auto log_p = torch::log_softmax(logits()[row].to(kDouble), 0);
    const double total = target()[row].sum().item<double>();
    for (int c = 0; c < 3; ++c) {
      const double t = target()[row][c].item<double>() / total * (1 - s) + s / 3;
      expected -= weight[row][0].item<double>() * t * log_p[c].item<double>();
    }
  }
  EXPECT_NEAR(loss.sum.item<double>(), expected, 1e-5);
  EXPECT_EQ(loss.weight.item<double>(), 3.0);
}

TEST(Loss, RowsOfWeightZeroAndEmptyBatchesCountForNothing) {
  for (const auto* name : {"ce", "bce"}) {
    const auto one =
        evaluate_loss({name, 0.0}, logits().narrow(0, 0, 1), target().narrow(0, 0, 1), torch::ones({1, 1}));
    const auto both =
        evaluate_loss({name, 0.0}, logits(), target(), torch::tensor({1.0F, 0.0F}).view({2, 1}));
    EXPECT_EQ(one.sum.item<float>(), both.sum.item<float>());
    EXPECT_EQ(one.weight.item<float>(), both.weight.item<float>());
    const auto none =
        evaluate_loss({name, 0.0}, torch::zeros({0, 3}), torch::zeros({0, 3}), torch::zeros({0, 1}));
    EXPECT_EQ(none.sum.item<float>(), 0.0F);
    EXPECT_EQ(none.weight.item<float>(), 0.0F);
  }
}

TEST(Loss, ScoresAreProbabilities) {
  const auto ce = class_scores({"ce", 0.0}, logits());
  EXPECT_NEAR(ce.sum().item<double>(), 2.0, 1e-6);
  const auto bce = class_scores({"bce", 0.0}, logits());
  EXPECT_NEAR(bce[0][0].item<double>(), 1 / (1 + std::exp(-0.5)), 1e-6);
}

}  // namespace
}  // namespace tutti::recipes
