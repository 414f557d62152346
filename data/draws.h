#pragma once
// Everything random about one position of an epoch, as a value. It is drawn from (seed, epoch, position)
// alone, so any rank can draw it, in any order, and again after a restart. Each decision has a stream
// of its own: switching one augmentation on or off leaves the others' draws as they were.

#include <cstdint>

#include "base/fields.h"

namespace tutti::data {

// The keys of [augment]. The defaults switch everything off.
struct AugmentOptions {
  double mixup = 0;            // probability of mixing a clip with another
  double mixup_alpha = 10;     // mixing weight ~ Beta(alpha, alpha)
  std::int64_t freq_mask = 0;  // mels at most
  std::int64_t time_mask = 0;  // frames at most
  double time_stretch = 0;     // duration times U(1 - s, 1 + s)
  std::int64_t roll = 0;       // frames: uniform over the integers of [-r, r)
  double gain_db = 0;          // U(-g, g)
  double noise = 0;            // amplitude U(0, n), of the normalised input
};

Fields fields(AugmentOptions& options);

struct Mask {
  std::int32_t start = 0;
  std::int32_t width = 0;
};

// The defaults leave a clip as it is.
struct Draws {
  std::uint64_t key = 0;      // for what the front end and the model draw (noise, dropout, drop path)
  std::int64_t partner = -1;  // index into the training examples; -1: not mixed
  float mix = 1;              // weight of the clip itself; 1 - mix is its partner's
  double crop = 0;            // [0, 1): where in a long clip the crop starts
  double partner_crop = 0;
  Mask freq_mask = {};
  Mask time_mask = {};
  float stretch = 1;
  std::int32_t roll = 0;  // frames to the right
  float gain_db = 0;
  float noise = 0;
};

// `examples`: how many training examples partners are drawn from, uniformly (the clip itself among them,
// as in AST). `frames`, `mels`: the size of the model's input.
// Masks as torchaudio's mask_along_axis, which AST uses: width U(0, param), start floor(U(0, size - width)).
Draws draw(const AugmentOptions& options, std::int64_t examples, std::int64_t frames, std::int64_t mels,
           std::uint64_t seed, std::int64_t epoch, std::int64_t position);

}  // namespace tutti::data
