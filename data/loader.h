#pragma once
// Background threads that turn positions of an epoch into batches, delivered in order.

#include <cstdint>
#include <memory>
#include <optional>

#include "base/fields.h"
#include "data/batch.h"
#include "data/draws.h"
#include "data/sampler.h"
#include "data/shard_set.h"

namespace tutti::data {

// The keys of [loader]. They do not change what is delivered.
struct LoaderOptions {
  std::int64_t threads = 1;
  std::int64_t prefetch = 4;  // batches ready or in the making
};

Fields fields(LoaderOptions& options);

// Which batches: step s of an epoch has the positions [s B, min((s + 1) B, N)) of the sampler, cut
// evenly and contiguously by rank. The last batch may be partial, and a rank's part of it empty.
struct EpochPlan {
  std::int64_t epoch = 0;
  std::int64_t batch = 1;       // B, over all ranks
  std::int64_t first_step = 0;  // of this epoch: more than 0 to go on in the middle
  std::int64_t rank = 0;
  std::int64_t ranks = 1;
  std::int64_t frames = 0;  // of a batch's input; longer clips are cropped, shorter ones padded
  bool pin_memory = false;  // for a CUDA device

  // In training: crop at random, mix, and give each row its Draws. Nothing: evaluation.
  std::optional<AugmentOptions> augment = {};
  std::uint64_t seed = 0;  // of the draws
};

// Steps of an epoch of so many examples.
std::int64_t steps(std::int64_t examples, std::int64_t batch);

// The positions [begin, end) that a rank has of a step.
struct Positions {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
Positions positions(const EpochPlan& plan, std::int64_t examples, std::int64_t step);

class Loader {
 public:
  // `shards` and `sampler` must outlive the loader. Throws UsageError when the plan cannot be.
  Loader(const ShardSet& shards, const Sampler& sampler, const EpochPlan& plan,
         const LoaderOptions& options = {});
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader();  // stops the threads within the time of reading a record

  // The batches of first_step, first_step + 1, ... and nothing after the epoch's last. Waits where the
  // next is not ready. Throws what reading it threw (a damaged record, say), in its turn.
  std::optional<Batch> next();

 private:
  struct Workers;
  std::unique_ptr<Workers> workers_;
};

}  // namespace tutti::data
