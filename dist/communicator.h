#pragma once
// A group of processes ("ranks") that compute together, as a small value.
//
// A default Communicator is serial: size 1, rank 0, every collective the identity. So no caller asks
// whether it is distributed. Copies refer to the same group.
//
// Collectives must be called by every rank of the group, in the same order, with tensors of the same
// shape and dtype: float32, float64, bfloat16, int32, int64 or uint8, and contiguous; anything else
// throws Error. Tensors may hold more than 2^31 elements. Destruction never communicates: a handle that
// was not closed is kept until MPI_Finalize.

#include <ATen/core/Tensor.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

namespace tutti::dist {

class Backend;

enum class Reduce { sum, max, min };

class Communicator {
 public:
  Communicator() = default;  // serial
  explicit Communicator(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}

  int rank() const;
  int size() const;
  std::string backend() const;  // "serial", "mpi" or "nccl"

  // Elementwise over the ranks, in place. The result is the same, bit for bit, on all ranks and whenever
  // the same ranks reduce the same values. bfloat16 over MPI: each addition is done in float32 and
  // rounded to bfloat16, so that two bytes an element travel.
  void all_reduce(at::Tensor& tensor, Reduce reduce) const;

  // The values of rank `root`, in place.
  void broadcast(at::Tensor& tensor, int root) const;

  // [size, ...]: row r is the tensor of rank r.
  at::Tensor all_gather(const at::Tensor& tensor) const;

  // Returns when every rank has come here.
  void barrier() const;

  // One new communicator for each value of `color` (>= 0), its ranks ordered by `key`, then by rank.
  Communicator split(int color, int key) const;

  // One new communicator for each node: the ranks that share memory with this one, in order of rank.
  Communicator split_by_node() const;

  // The same group with messages of its own, so that another thread may use it at the same time. The label,
  // the same on all ranks, stands in messages about it.
  Communicator duplicate(const std::string& label = {}) const;

  // Environment ends MPI only after this: for a collective that its caller no longer waits for.
  void await_at_end(std::shared_future<void> done) const;

  // For dist itself: what stands behind it; null where it is serial.
  const std::shared_ptr<Backend>& implementation() const { return backend_; }

  // Releases what the handle holds; collective. Every copy is unusable afterwards. A program that makes
  // few communicators need not call it.
  void close();

 private:
  std::shared_ptr<Backend> backend_;  // null: serial
};

// The text of rank `root`, of any length and with any bytes.
void broadcast(const Communicator& communicator, std::string& text, int root);

// The texts of all ranks, by rank.
std::vector<std::string> all_gather(const Communicator& communicator, const std::string& text);

// Communicates tensors in GPU memory by NCCL and tensors in host memory by `over_mpi`, from which it
// takes its ranks. `device` is this rank's GPU; NCCL takes no GPU twice. Collectives are enqueued on the
// current CUDA stream and, as kernels do, return before they are done. Collective. Throws Error in a
// build without NCCL.
Communicator nccl(const Communicator& over_mpi, at::Device device);

}  // namespace tutti::dist
