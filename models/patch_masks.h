#pragma once
// Which patches of a spectrogram are masked in self-supervised pre-training (Gong et al. 2022, section 2.2).

#include <cstdint>
#include <vector>

#include "base/counter_rng.h"
#include "models/ast_options.h"

namespace tutti::models {

// `count` different patches of the grid, numbered mel row by mel row, ascending. As in the authors' code
// (gen_maskid_patch): squares of C x C patches, with C drawn from 3, 4 and 5 for the clip, are put at random
// places until more than `count` patches are covered, and the first `count` are taken. A square that leaves
// the grid at the end of a row goes on in the next one, patch 0 is never masked, and low numbers are
// favoured: that, too, is their code's. Takes 0 < count < patches - 1.
std::vector<std::int64_t> clustered_mask(PatchGrid grid, std::int64_t count, CounterRng rng);

// `count` different patches, each set as probable as any other (gen_maskid_frame), in the order drawn. Takes
// 0 < count <= patches.
std::vector<std::int64_t> scattered_mask(std::int64_t patches, std::int64_t count, CounterRng rng);

}  // namespace tutti::models
