#pragma once
// The pre-norm transformer block of ViT (Dosovitskiy et al. 2021, equations 2 and 3), with timm's
// parameter names.

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>

#include "models/layers.h"
#include "models/stochastic_depth.h"

namespace tutti::models {

struct BlockOptions {
  std::int64_t dim = 0;
  std::int64_t heads = 0;
  std::int64_t hidden = 0;  // the MLP's width
  double epsilon = 1e-6;    // of both LayerNorms
  double drop_path = 0.0;   // of this block
  double dropout = 0.0;     // after the attention's projection and in the MLP
  Site first_site = 0;      // its masks use first_site ... first_site + sites_per_block - 1
};

inline constexpr Site sites_per_block = 5;

// Multi-head self-attention. Only the first `rows` tokens ask; all tokens are keys and values.
struct Attention : torch::nn::Module {
  Attention(std::int64_t dim, std::int64_t heads);
  at::Tensor forward(const at::Tensor& x_BTD, std::int64_t rows) const;  // [B, rows, dim]

  // How much each token asks of each other, mean over the heads: [B, tokens, tokens], rows with sum 1. For
  // looking at: forward() never forms it.
  at::Tensor weights(const at::Tensor& x_BTD) const;

  std::int64_t heads;
  std::shared_ptr<Linear> qkv, proj;  // qkv: all queries, then all keys, then all values
};

// Linear, GELU (the exact one, by erf), linear.
struct Mlp : torch::nn::Module {
  Mlp(std::int64_t dim, std::int64_t hidden);

  std::shared_ptr<Linear> fc1, fc2;
};

struct TransformerBlock : torch::nn::Module {
  explicit TransformerBlock(const BlockOptions& options);

  // [B, tokens, dim] -> [B, rows, dim], the first `rows` tokens of the block's output: what comes after
  // a last block often reads those alone, and the others need not be computed. Undefined key_B: no
  // drop path, no dropout.
  at::Tensor forward(const at::Tensor& x_BTD, const at::Tensor& key_B, std::int64_t rows) const;

  BlockOptions options;
  std::shared_ptr<LayerNorm> norm1, norm2;
  std::shared_ptr<Attention> attn;
  std::shared_ptr<Mlp> mlp;
};

}  // namespace tutti::models
