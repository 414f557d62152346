#pragma once
// Background threads that turn positions of an epoch into batches, delivered in order.

#include <cstdint>
#include <memory>
#include <optional>

#include "base/fields.h"
#include "data/batch.h"
#include "data/epoch_plan.h"
#include "data/sampler.h"
#include "data/shard_set.h"

namespace tutti::data {

// The keys of [loader]. They do not change what is delivered.
struct LoaderOptions {
  std::int64_t threads = 1;
  std::int64_t prefetch = 4;  // batches ready or in the making
};

Fields fields(LoaderOptions& options);

class Loader {
 public:
  // `shards` and `sampler` must outlive the loader. The threads block all signals, which are for the
  // main thread to see. Throws UsageError when the plan cannot be.
  Loader(const ShardSet& shards, const Sampler& sampler, const EpochPlan& plan,
         const LoaderOptions& options = {});
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader();  // stops the threads, within the time of reading one example

  // The batches of first_step, first_step + 1, ... and nothing after the epoch's last. Waits where the
  // next is not ready. Throws what reading it threw (a damaged record, say), in its turn.
  std::optional<Batch> next();

 private:
  class Workers;
  std::unique_ptr<Workers> workers_;
};

}  // namespace tutti::data
