#include "models/transformer_block.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/models/formula.h"

namespace tutti::models {
namespace {

struct Result {
  at::Tensor output, input_gradient;
  std::vector<at::Tensor> gradients;
};

// The first two tokens of a block's output, from computing `rows` of 30, and all gradients.
Result run(TransformerBlock& block, std::int64_t rows, const at::Tensor& key_B) {
  block.zero_grad();
  auto x = formula_tensor("x", {3, 30, 24}).to(at::kDouble).requires_grad_();
  const auto output = block.forward(x, key_B, rows).narrow(1, 0, 2);
  (output * formula_tensor("cotangent", output.sizes())).sum().backward();
  Result result{output.detach(), x.grad(), {}};
  for (const auto& parameter : block.parameters()) result.gradients.push_back(parameter.grad().clone());
  return result;
}

TEST(TransformerBlock, UnreadRowsNeedNotBeComputed) {
  TransformerBlock block(
      {.dim = 24, .heads = 3, .hidden = 96, .drop_path = 0.4, .dropout = 0.3, .first_site = 7});
  fill_by_formula(block);
  block.to(at::kDouble);  // so that only a true difference shows
  for (const auto& key_B : {at::Tensor(), at::tensor({3, 1, 4}, at::kLong)}) {
    const auto whole = run(block, 30, key_B);
    const auto two = run(block, 2, key_B);
    EXPECT_TRUE(at::allclose(whole.output, two.output, 1e-10, 1e-12));
    EXPECT_TRUE(at::allclose(whole.input_gradient, two.input_gradient, 1e-10, 1e-12));
    for (std::size_t i = 0; i < whole.gradients.size(); ++i) {
      EXPECT_TRUE(at::allclose(whole.gradients[i], two.gradients[i], 1e-10, 1e-12)) << i;
    }
  }
}

TEST(TransformerBlock, AtDropPathNearOneOnlyTheResidualIsLeft) {
  TransformerBlock block({.dim = 24, .heads = 3, .hidden = 96, .drop_path = 0.999999});
  fill_by_formula(block);
  const auto x = formula_tensor("x", {3, 30, 24});
  EXPECT_TRUE(at::equal(block.forward(x, at::tensor({3, 1, 4}, at::kLong), 30), x));
}

}  // namespace
}  // namespace tutti::models
