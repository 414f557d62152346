#pragma once
// DeiT's vision transformer over the patches of a spectrogram, with timm's parameter names: what AST and its
// pre-training (SSAST) share.

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/ast_options.h"
#include "models/layers.h"
#include "models/model.h"
#include "models/transformer_block.h"

namespace tutti::models {

// The authors' convolution over the spectrogram, one output a patch, computed as a matrix product over
// gathered patches: with one input channel that is 2.5 times as fast as oneDNN's convolution on a CPU.
struct PatchProjection : torch::nn::Module {
  explicit PatchProjection(const AstOptions& options);

  // [B, frames, mels] -> [B, patches, dim]; patches are numbered mel row by mel row, time fastest.
  at::Tensor forward(const at::Tensor& x_BTM) const;

  // The patches themselves, likewise numbered: [B, patches, mels * frames of a patch], frames fastest
  // (torch.nn.Unfold's order).
  at::Tensor patches(const at::Tensor& x_BTM) const;

  at::Tensor weight, bias;
  Integers stride;
};

struct PatchEmbedding : torch::nn::Module {
  explicit PatchEmbedding(const AstOptions& options);

  std::shared_ptr<PatchProjection> proj;
};

struct VisionTransformer : torch::nn::Module {
  // `options` as resolved() returns them.
  VisionTransformer(const AstOptions& options, const ClipShape& shape);

  // Initial values as the authors' without ImageNet: normal .02 for tokens, positions and the blocks' linear
  // layers, zero for their biases; PyTorch's default for the patch projection. `prefix`: what stands before
  // the parameters' names in the whole model.
  void initialise(std::uint64_t seed, const std::string& prefix);

  // Patches [B, patches, dim] -> with the leading tokens before them and positions added: [B, tokens, dim].
  at::Tensor with_positions(const at::Tensor& patches_BPD) const;

  // Tokens through blocks and norm: the first `rows` of them, [B, rows, dim].
  at::Tensor encode(const at::Tensor& tokens_BND, const at::Tensor& key_B, std::int64_t rows) const;

  // Each block's attention weights: [B, blocks, tokens, tokens].
  at::Tensor attention(const at::Tensor& x_BTM) const;

  // Fits v.pos_embed of the weights to this grid and these leading tokens (models/position_embedding.h).
  void adapt_positions(Weights& weights, std::vector<std::string>& report) const;

  AstOptions options;
  PatchGrid grid;
  std::int64_t leading;  // tokens before the patches
  at::Tensor cls_token, dist_token, pos_embed;
  std::shared_ptr<PatchEmbedding> patch_embed;
  std::vector<std::shared_ptr<TransformerBlock>> blocks;
  std::shared_ptr<LayerNorm> norm;
};

// Throws Error when the input is not [B, frames, mels] of this size.
void check_clips(const at::Tensor& input, const ClipShape& shape);

// Floating-point operations of one clip, as Flops counts them, from the patches to the last block, of which
// `rows_read` tokens are wanted; `options` as resolved() returns them.
double transformer_flops(const AstOptions& options, const ClipShape& shape, std::int64_t rows_read);

}  // namespace tutti::models
