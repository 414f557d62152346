#pragma once
// The options of the Audio Spectrogram Transformer (Gong et al. 2021, section 2.1).

#include <cstdint>
#include <string>

#include "base/fields.h"

namespace tutti::models {

struct AstOptions {
  std::string size = "base";
  std::int64_t dim = 0;    // 0: the size's
  std::int64_t depth = 0;  // 0: the size's
  std::int64_t heads = 0;  // 0: the size's
  double mlp_ratio = 4.0;
  Integers patch = {16, 16};   // [mels, frames]
  Integers stride = {10, 10};  // [mels, frames]
  std::string head = "cls_dist";
  double drop_path = 0.0;
  double dropout = 0.0;
  double norm_epsilon = 0.0;  // 0: the authors'
  std::string positions = "bilinear";
};

Fields fields(AstOptions& options);

// What a model sees and says; not part of a recipe's [model] table but of its features and classes.
struct ClipShape {
  std::int64_t frames = 0;
  std::int64_t mels = 0;
  std::int64_t classes = 0;
};

// The patch grid: how many patches fit along each axis, (extent - patch) / stride + 1.
struct PatchGrid {
  std::int64_t mels = 0;
  std::int64_t frames = 0;
  std::int64_t patches() const { return mels * frames; }
  bool operator==(const PatchGrid&) const = default;
};

// dim, depth and heads filled in from the size. Throws UsageError that names key and values where the
// options contradict each other or the shape: a patch larger than the clip, dim not divisible by heads.
AstOptions resolved(AstOptions options, const ClipShape& shape);

PatchGrid patch_grid(const AstOptions& options, const ClipShape& shape);

// The MLP's width.
std::int64_t hidden_width(const AstOptions& options);

// Tokens before the patches: 1 for head "cls", else 2. (SSAST's mean-of-patches models carry the CLS
// and DIST tokens too, though their head does not read them.)
std::int64_t leading_tokens(const AstOptions& options);

// These and the patches.
std::int64_t token_count(const AstOptions& options, const ClipShape& shape);

}  // namespace tutti::models
