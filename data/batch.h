#pragma once
// What the loader delivers: the stored features of the examples of one step, on the CPU.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "data/draws.h"

namespace tutti::data {

// B rows: this rank's part of a global batch; may be 0. Records are spectrograms, float16 [B, frames, mels]
// of raw log-mel and the floor beyond a clip; or waveforms, int16 [B, samples] and 0 beyond a clip.
struct Batch {
  at::Tensor input;           // the records
  at::Tensor length;          // [B] int32, valid frames or samples
  at::Tensor partner;         // as input: what each row is mixed with; undefined: no row is mixed
  at::Tensor partner_length;  // [B] int32; 0 where a row is not mixed; undefined as partner
  at::Tensor target;          // [B, classes] float32, already mixed
  at::Tensor weight;          // [B, 1] float32, in the loss; 0 for a row that does not count
  at::Tensor positions;       // [B] int64, in the epoch
  at::Tensor groups;          // [B] int64, of the examples
  std::vector<Draws> draws;   // B of them; none in evaluation

  std::int64_t size() const { return input.size(0); }
};

// Rows [begin, end), as views: the parts of a step whose gradients are accumulated.
Batch slice(const Batch& batch, std::int64_t begin, std::int64_t end);

}  // namespace tutti::data
