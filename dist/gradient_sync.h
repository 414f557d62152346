#pragma once
// Sums the gradients of all ranks, while backward is still computing them where that pays.
//
// The gradients of all parameters are views of one flat buffer, cut into buckets in reverse order of the
// parameters. A hook on each parameter counts arrivals; a bucket starts when it is complete and all
// before it have started, so every rank reduces the same buckets in the same order, whatever order its
// gradients come in. Reductions run beside backward on a thread (CPU) or a stream (GPU), or after it.
//
//   GradientSync sync(parameters, communicator);
//   sync.zero();
//   for (each micro-batch) {
//     sync.begin(is_last);      // only the last one communicates
//     loss.backward();          // the *sum* of the losses, not the mean
//   }
//   sync.finish();              // flat() now holds the sum over micro-batches and ranks
//
// Nothing is divided: the training loop divides by the weight of the global batch.

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>

#include "base/fields.h"
#include "dist/communicator.h"

namespace tutti::dist {

struct GradientSyncOptions {
  double bucket_mb = 25;
  double first_bucket_mb = 1;
  std::string wire = "fp32";
  std::string overlap = "auto";
};
Fields fields(GradientSyncOptions& options);

class GradientSync {
 public:
  // The parameters, in the order in which the forward pass uses them: float32 leaves that require a
  // gradient, all on one device, the same on every rank. Their .grad is replaced by views, and must stay:
  // zero the gradients by zero() alone. Collective; throws Error.
  GradientSync(std::span<const at::Tensor> parameters, const Communicator& communicator,
               const GradientSyncOptions& options = {});
  GradientSync(const GradientSync&) = delete;
  GradientSync& operator=(const GradientSync&) = delete;
  // Removes the hooks. Does not communicate, nor wait for other ranks.
  ~GradientSync();

  // Sets all gradients to zero.
  void zero();

  // All gradients, [elements] float32, in order of the parameters. Each begins at a multiple of 64 bytes;
  // the gaps hold zeros, so that norms may be taken over the whole.
  at::Tensor flat() const;

  // Before a backward pass. With synchronise = false gradients are only accumulated; with true, this is
  // the last backward before finish(), and gradients are summed over the ranks as they arrive.
  void begin(bool synchronise);

  // After backward: reduces what never arrived (parameters that the loss does not depend on count with
  // what they have accumulated) and waits for everything. On a GPU the current stream waits, not the
  // caller. Rethrows an error of the communication; throws Error unless begin(true) came before.
  void finish();

  bool overlaps() const;  // whether reductions run beside backward
  int buckets() const;    // reductions a step; 0 for a serial communicator

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace tutti::dist
