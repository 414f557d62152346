#include "models/ssast_options.h"

#include <utility>

#include "base/error.h"

namespace tutti::models {

Fields fields(SsastOptions& o, AstOptions& transformer) {
  Fields result;
  for (auto& field : fields(transformer)) {
    if (field.name != "stride" && field.name != "head") result.push_back(std::move(field));
  }
  result.push_back({.name = "masks",
                    .target = &o.masks,
                    .meaning = "patches of a clip that are masked, for each of the two objectives",
                    .least = 1});
  result.push_back({.name = "generative_weight",
                    .target = &o.generative_weight,
                    .meaning = "lambda: loss = discriminative + lambda * generative",
                    .least = 0});
  return result;
}

AstOptions resolved(const SsastOptions& options, AstOptions transformer, ClipShape shape) {
  transformer.stride = transformer.patch;
  transformer.head = "mean";  // the tokens of a model whose head reads the patches
  shape.classes = 1;
  transformer = resolved(std::move(transformer), shape);
  const auto patches = patch_grid(transformer, shape).patches();
  if (options.masks >= patches - 1) {
    throw UsageError(text("model.masks = ", options.masks),
                     text("a clip has ", patches, " patches, and some must remain to predict from"),
                     "Mask about three quarters of them, or fewer.");
  }
  return transformer;
}

}  // namespace tutti::models
