#include "models/position_embedding.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <array>
#include <charconv>
#include <utility>

#include "base/error.h"

namespace tutti::models {
namespace {

at::Tensor middle(const at::Tensor& grid, std::int64_t dimension, std::int64_t length) {
  return grid.narrow(dimension, grid.size(dimension) / 2 - length / 2, length);
}

at::Tensor interpolated(const at::Tensor& grid, std::int64_t rows, std::int64_t columns,
                        std::string_view method) {
  if (method == "nearest") return at::upsample_nearest2d(grid.contiguous(), {rows, columns});
  return at::upsample_bilinear2d(grid.contiguous(), {rows, columns}, /*align_corners=*/false);
}

}  // namespace

at::Tensor adapted_positions(const at::Tensor& positions, std::int64_t leading, PatchGrid from, PatchGrid to,
                             std::string_view method) {
  const auto dim = positions.size(2);
  const auto tokens = positions.narrow(1, 0, leading);
  const auto patches = positions.narrow(1, leading, from.patches());
  auto grid = patches.transpose(1, 2).reshape({1, dim, from.mels, from.frames});
  grid = to.frames <= from.frames ? middle(grid, 3, to.frames)
                                  : interpolated(grid, from.mels, to.frames, method);
  grid = to.mels <= from.mels ? middle(grid, 2, to.mels) : interpolated(grid, to.mels, to.frames, method);
  return at::cat({tokens, grid.reshape({1, dim, to.patches()}).transpose(1, 2)}, 1).contiguous();
}

PatchGrid guessed_grid(std::int64_t patches, const AstOptions& options, PatchGrid to,
                       const std::string& source) {
  constexpr std::array published = {PatchGrid{12, 101}, PatchGrid{8, 64}, PatchGrid{24, 24},
                                    PatchGrid{14, 14}};
  if (options.patch == Integers{16, 16}) {
    for (const auto& grid : published) {
      if (grid.patches() == patches) return grid;
    }
  }
  if (patches % to.mels == 0) return {to.mels, patches / to.mels};
  throw Error(text("v.pos_embed of '", source, "' has ", patches, " patches"),
              text("no published grid has so many, and the model's grid of ", to_text(to), " has ", to.mels,
                   " rows, which does not divide it"),
              "State the grid in the file's metadata, as \"positional_grid\": \"12x101\"");
}

std::string to_text(PatchGrid grid) { return text(grid.mels, "x", grid.frames); }

PatchGrid grid_from_text(const std::string& text_, const std::string& source) {
  PatchGrid grid;
  const char* end = text_.data() + text_.size();
  const auto mels = std::from_chars(text_.data(), end, grid.mels);
  const bool has_both = mels.ec == std::errc{} && mels.ptr != end && *mels.ptr == 'x';
  const auto frames = has_both ? std::from_chars(mels.ptr + 1, end, grid.frames) : mels;
  if (!has_both || frames.ec != std::errc{} || frames.ptr != end || grid.mels < 1 || grid.frames < 1 ||
      grid.mels > 1'000'000 || grid.frames > 1'000'000) {
    throw Error(text("metadata 'positional_grid' of '", source, "' is '", text_, "'"),
                "it must be two positive numbers as in 12x101");
  }
  return grid;
}

}  // namespace tutti::models
