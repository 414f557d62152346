#include "models/transformer_block.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <vector>

namespace tutti::models {
namespace {

// [B, T, dim] -> [B, heads, T, dim / heads], a view.
at::Tensor split_heads(const at::Tensor& x_BTD, std::int64_t heads) {
  return x_BTD.view({x_BTD.size(0), x_BTD.size(1), heads, x_BTD.size(2) / heads}).transpose(1, 2);
}

// Without a slice where all are wanted: its backward would copy.
at::Tensor first_tokens(const at::Tensor& x_BTD, std::int64_t rows) {
  return rows == x_BTD.size(1) ? x_BTD : x_BTD.narrow(1, 0, rows);
}

}  // namespace

Attention::Attention(std::int64_t dim, std::int64_t heads_)
    : heads(heads_),
      qkv(register_module("qkv", std::make_shared<Linear>(dim, 3 * dim))),
      proj(register_module("proj", std::make_shared<Linear>(dim, dim))) {}

at::Tensor Attention::forward(const at::Tensor& x_BTD, std::int64_t rows) const {
  const auto dim = x_BTD.size(2);
  // Splitting the joint projection by columns makes the backward join its three gradients in place,
  // where timm's reshape to five dimensions costs one more copy.
  std::vector<at::Tensor> parts;  // queries, keys, values
  if (rows == x_BTD.size(1)) {
    parts = qkv->forward(x_BTD).split(dim, 2);
  } else {
    const auto weights = qkv->weight.split_with_sizes({dim, 2 * dim});
    const auto biases = qkv->bias.split_with_sizes({dim, 2 * dim});
    parts = at::linear(x_BTD, weights[1], biases[1]).split(dim, 2);
    parts.insert(parts.begin(), at::linear(x_BTD.narrow(1, 0, rows), weights[0], biases[0]));
  }
  const auto mixed = at::scaled_dot_product_attention(
      split_heads(parts[0], heads), split_heads(parts[1], heads), split_heads(parts[2], heads));
  return proj->forward(mixed.transpose(1, 2).reshape({x_BTD.size(0), rows, dim}));
}

at::Tensor Attention::weights(const at::Tensor& x_BTD) const {
  const auto parts = qkv->forward(x_BTD).split(x_BTD.size(2), 2);
  const auto queries = split_heads(parts[0], heads), keys = split_heads(parts[1], heads);
  const auto scale = 1 / std::sqrt(static_cast<double>(queries.size(3)));
  return at::softmax(at::matmul(queries, keys.transpose(2, 3)) * scale, -1).mean(1);
}

Mlp::Mlp(std::int64_t dim, std::int64_t hidden)
    : fc1(register_module("fc1", std::make_shared<Linear>(dim, hidden))),
      fc2(register_module("fc2", std::make_shared<Linear>(hidden, dim))) {}

TransformerBlock::TransformerBlock(const BlockOptions& options_)
    : options(options_),
      norm1(register_module("norm1", std::make_shared<LayerNorm>(options.dim, options.epsilon))),
      norm2(register_module("norm2", std::make_shared<LayerNorm>(options.dim, options.epsilon))),
      attn(register_module("attn", std::make_shared<Attention>(options.dim, options.heads))),
      mlp(register_module("mlp", std::make_shared<Mlp>(options.dim, options.hidden))) {}

at::Tensor TransformerBlock::forward(const at::Tensor& x_BTD, const at::Tensor& key_B,
                                     std::int64_t rows) const {
  const auto& o = options;
  const Site site = o.first_site;

  auto branch = attn->forward(norm1->forward(x_BTD), rows);
  branch = dropout(branch, key_B, site, o.dropout);
  const auto x = first_tokens(x_BTD, rows) + drop_path(branch, key_B, site + 1, o.drop_path);

  branch = at::gelu(mlp->fc1->forward(norm2->forward(x)));
  branch = dropout(branch, key_B, site + 2, o.dropout);
  branch = dropout(mlp->fc2->forward(branch), key_B, site + 3, o.dropout);
  return x + drop_path(branch, key_B, site + 4, o.drop_path);
}

}  // namespace tutti::models
