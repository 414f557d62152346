#pragma once
// Positional embeddings for another patch grid than they were learnt on.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "models/ast_options.h"

namespace tutti::models {

// [1, leading + from.patches(), D] -> [1, leading + to.patches(), D]. First time, then frequency: a
// shorter axis cuts the middle out (from from/2 - to/2 on), a longer one is interpolated bilinearly
// (align_corners = false) or, with `method` "nearest", repeats its nearest, as in their ablations. The
// leading tokens stay. (Gong et al. 2021, section 2.2; ast_models.py of the authors, lines 91-107 and
// 141-154.) SSAST's code differs where it fails: it interpolates to 8 rows whatever the grid has, and cuts
// rows by the number of columns (its ast_models.py, lines 192-204); for 128 mels both do the same.
at::Tensor adapted_positions(const at::Tensor& positions, std::int64_t leading, PatchGrid from, PatchGrid to,
                             std::string_view method = "bilinear");

// The grid of a weight file that does not tell it, from its number of patches. The published ones are
// recognised: 12 x 101 (AST, AudioSet), 8 x 64 (SSAST, patches) and, for ImageNet, 24 x 24 and
// 14 x 14, where the model has 16 x 16 patches as they do. Any other must be a whole number of columns of the
// model's own grid. Throws Error that names `source`.
PatchGrid guessed_grid(std::int64_t patches, const AstOptions& options, PatchGrid to,
                       const std::string& source);

// The key of the grid in a weight file's metadata.
inline constexpr auto kPositionalGrid = "positional_grid";

// "12x101", as kept there; and back, throwing Error that names `source`.
std::string to_text(PatchGrid grid);
PatchGrid grid_from_text(const std::string& text, const std::string& source);

}  // namespace tutti::models
