#include "models/ast_options.h"

#include <array>
#include <string_view>

#include "base/error.h"

namespace tutti::models {
namespace {

struct Size {
  std::string_view name;
  std::int64_t dim, depth, heads;
};

// DeiT's sizes (Touvron et al. 2021, table 1).
constexpr std::array sizes = {Size{"tiny", 192, 12, 3}, Size{"small", 384, 12, 6}, Size{"base", 768, 12, 12}};

void fill_from_size(AstOptions& options) {
  for (const auto& size : sizes) {
    if (options.size != size.name) continue;
    if (options.dim == 0) options.dim = size.dim;
    if (options.depth == 0) options.depth = size.depth;
    if (options.heads == 0) options.heads = size.heads;
  }
  if (options.dim < 1 || options.depth < 1 || options.heads < 1) {
    throw UsageError(text("model.dim = ", options.dim, ", model.depth = ", options.depth,
                          ", model.heads = ", options.heads),
                     "without a model.size, all three must be given",
                     "Set model.size to \"tiny\", \"small\" or \"base\", or give all three");
  }
}

std::int64_t fitting(std::int64_t extent, std::int64_t patch, std::int64_t stride) {
  return (extent - patch) / stride + 1;
}

void check_pair(std::string_view key, const Integers& pair) {
  if (pair.size() == 2 && pair[0] > 0 && pair[1] > 0) return;
  std::string values;
  for (const auto value : pair) values += text(values.empty() ? "" : ", ", value);
  throw UsageError(text("model.", key, " = [", values, "]"),
                   "it must be two positive numbers, [mels, frames]");
}

void check_axis(std::string_view axis, std::int64_t extent, std::int64_t patch) {
  if (extent < 1) throw UsageError(text("features.", axis, " = ", extent), "it must be positive");
  if (patch > extent) {
    throw UsageError(text("model.patch takes ", patch, " ", axis, " and the clip has ", extent),
                     "not one patch fits", text("Choose a smaller patch, or more features.", axis));
  }
}

}  // namespace

Fields fields(AstOptions& o) {
  return {
      {.name = "size",
       .target = &o.size,
       .meaning = "tiny, small or base; empty: dim, depth and heads are given",
       .choices = {"", "tiny", "small", "base"}},
      {.name = "dim",
       .target = &o.dim,
       .meaning = "width of a token; 0: the size's",
       .least = 0,
       .most = 65536},
      {.name = "depth",
       .target = &o.depth,
       .meaning = "number of blocks; 0: the size's",
       .least = 0,
       .most = 1024},
      {.name = "heads",
       .target = &o.heads,
       .meaning = "attention heads in a block; 0: the size's",
       .least = 0,
       .most = 1024},
      {.name = "mlp_ratio",
       .target = &o.mlp_ratio,
       .meaning = "width of the MLP over dim",
       .least = 0.01,
       .most = 64},
      {.name = "patch", .target = &o.patch, .meaning = "extent of a patch, [mels, frames]", .least = 1},
      {.name = "stride",
       .target = &o.stride,
       .meaning = "step from patch to patch, [mels, frames]",
       .least = 1},
      {.name = "head",
       .target = &o.head,
       .meaning = "what is classified: the mean of the CLS and DIST tokens, CLS, or the mean of all patches",
       .choices = {"cls_dist", "cls", "mean"}},
      {.name = "drop_path",
       .target = &o.drop_path,
       .meaning = "probability that a branch of the last block is dropped; rises from 0 at the first",
       .least = 0,
       .most = 0.99},
      {.name = "dropout",
       .target = &o.dropout,
       .meaning = "probability that an element is dropped after embedding, attention and in the MLP",
       .least = 0,
       .most = 0.99},
      {.name = "norm_epsilon",
       .target = &o.norm_epsilon,
       .meaning = "of every LayerNorm; 0: the authors' 1e-6, and 1e-5 before the classifier",
       .least = 0,
       .most = 1},
      {.name = "positions",
       .target = &o.positions,
       .meaning = "how weights learnt on fewer patches along an axis get positions for more: bilinear, or "
                  "those of the nearest patch",
       .choices = {"bilinear", "nearest"}},
  };
}

AstOptions resolved(AstOptions options, const ClipShape& shape) {
  for (const auto& field : fields(options)) {
    if (const auto wrong = complaint(field); !wrong.empty())
      throw UsageError(text("model.", field.name), wrong);
  }
  fill_from_size(options);
  if (options.dim % options.heads != 0) {
    throw UsageError(text("model.dim = ", options.dim, " is not divisible by model.heads = ", options.heads));
  }
  if (hidden_width(options) < 1) {
    throw UsageError(
        text("model.mlp_ratio = ", options.mlp_ratio, " leaves no MLP at model.dim = ", options.dim));
  }
  check_pair("patch", options.patch);
  check_pair("stride", options.stride);
  check_axis("mels", shape.mels, options.patch[0]);
  check_axis("frames", shape.frames, options.patch[1]);
  if (shape.classes < 1) throw UsageError(text("model.classes = ", shape.classes), "it must be positive");
  return options;
}

PatchGrid patch_grid(const AstOptions& options, const ClipShape& shape) {
  return {fitting(shape.mels, options.patch[0], options.stride[0]),
          fitting(shape.frames, options.patch[1], options.stride[1])};
}

std::int64_t hidden_width(const AstOptions& options) {
  return static_cast<std::int64_t>(static_cast<double>(options.dim) * options.mlp_ratio);
}

std::int64_t leading_tokens(const AstOptions& options) { return options.head == "cls" ? 1 : 2; }

std::int64_t token_count(const AstOptions& options, const ClipShape& shape) {
  return leading_tokens(options) + patch_grid(options, shape).patches();
}

}  // namespace tutti::models
