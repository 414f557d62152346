#pragma once
// The options of self-supervised pre-training (SSAST: Gong et al. 2022, "SSAST: Self-Supervised Audio
// Spectrogram Transformer", sections 2.2 and 2.3).

#include <cstdint>

#include "base/fields.h"
#include "models/ast_options.h"

namespace tutti::models {

// Besides AstOptions, of which the stride is the patch, since patches do not overlap, and the head is none.
struct SsastOptions {
  std::int64_t masks = 400;
  double generative_weight = 10.0;
};

// The family's keys: those of AstOptions that apply, and these.
Fields fields(SsastOptions& options, AstOptions& transformer);

// As resolved() for AstOptions, with stride and head set. Throws UsageError, too, when the clip has too few
// patches for so many masks.
AstOptions resolved(const SsastOptions& options, AstOptions transformer, ClipShape shape);

}  // namespace tutti::models
