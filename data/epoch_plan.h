#pragma once
// Which batches an epoch has, and how one of them is put together.

#include <cstdint>
#include <optional>
#include <stop_token>

#include "data/batch.h"
#include "data/draws.h"
#include "data/sampler.h"
#include "data/shard_set.h"

namespace tutti::data {

// Step s of an epoch has the positions [s B, min((s + 1) B, N)) of the sampler, cut evenly and contiguously
// by rank. The last batch may be partial, and a rank's part of it empty.
struct EpochPlan {
  std::int64_t epoch = 0;
  std::int64_t batch = 1;       // B, over all ranks
  std::int64_t first_step = 0;  // of this epoch: more than 0 to go on in the middle
  std::int64_t rank = 0;
  std::int64_t ranks = 1;
  std::int64_t frames = 0;  // of a batch's input; longer clips are cropped, shorter ones padded
  bool pin_memory = false;  // for a CUDA device

  // In training: crop at random, mix, and give each row its Draws. Nothing: evaluation, crops start at 0.
  std::optional<AugmentOptions> augment = {};
  std::uint64_t seed = 0;  // of the draws
};

// Steps of an epoch of so many examples.
std::int64_t steps(std::int64_t examples, std::int64_t batch);

// The positions [begin, end) that the plan's rank has of a step.
struct Positions {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
Positions positions(const EpochPlan& plan, std::int64_t examples, std::int64_t step);

// Reads the rank's part of a step. Nothing when asked to stop meanwhile. Throws what ShardSet::read throws.
std::optional<Batch> assemble(const ShardSet& shards, const Sampler& sampler, const EpochPlan& plan,
                              std::int64_t step, const std::stop_token& stop = {});

}  // namespace tutti::data
