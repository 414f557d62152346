#pragma once
// The Audio Spectrogram Transformer (Gong et al. 2021): a ViT over overlapping patches of a log-mel
// spectrogram, with DeiT's two leading tokens. Parameter names are those of the authors' code
// (v.blocks.0.attn.qkv.weight, ..., mlp_head.1.bias).

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/ast_options.h"
#include "models/layers.h"
#include "models/model.h"
#include "models/registry.h"
#include "models/vision_transformer.h"

namespace tutti::models {

class Ast : public Model {
 public:
  // Checks and completes the options by resolved(). Initial values: VisionTransformer's, and PyTorch's
  // default for the last linear layer.
  Ast(const AstOptions& options, const ClipShape& shape, std::uint64_t seed);

  // [B, frames, mels] -> [B, classes].
  at::Tensor forward(const at::Tensor& input, const at::Tensor& key_B) override;

  at::Tensor attention(const at::Tensor& input) override;

  // Fits v.pos_embed to this model's grid (models/position_embedding.h) and drops DeiT's two unused
  // classifiers, v.head and v.head_dist, which the authors' files still carry.
  void take_names(Weights& weights, std::vector<std::string>& report) const override;
  void adapt(Weights& weights, std::vector<std::string>& report) const override;

  Metadata metadata() const override;  // the patch grid

 private:
  void initialise(std::uint64_t seed);

  AstOptions options_;
  ClipShape shape_;
  std::shared_ptr<VisionTransformer> v_;
  std::shared_ptr<LayerNorm> head_norm_;
  std::shared_ptr<Linear> head_linear_;
};

// Per clip, with N tokens, D dimensions, L blocks, P patches of p numbers, C classes, MLP ratio m:
// patches 2 P p D + L (linear layers (8 + 4 m) N D^2 + attention 4 N^2 D) + classifier 2 D C.
// Base at 128 x 1024: 261.0e9 in whole.
Flops ast_flops(const AstOptions& options, const ClipShape& shape);

// The row of model_specs().
ModelSpec ast_spec();

}  // namespace tutti::models
