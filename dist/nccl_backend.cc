// Collectives in GPU memory, by NCCL; host memory and the bootstrap go by the MPI communicator beneath.
//
// The NCCL communicator is non-blocking: only then may a call that waits for a vanished rank be aborted.
// A destructor cannot end it in an orderly way, because ncclCommFinalize waits for the other ranks. So
// close() does that; without it the communicator is left to the end of the process, when MPI_Finalize has
// let every rank come that far (an abort then could cut off bytes that a peer still needs). Only while
// an exception unwinds the stack it is aborted at once, because kernels that wait for a peer would block
// every destructor that waits for the device.

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <chrono>
#include <cstring>
#include <exception>
#include <source_location>
#include <string_view>
#include <thread>

#include "base/counter_rng.h"
#include "base/error.h"
#include "dist/backend.h"
#include "dist/stream_log.h"

namespace tutti::dist {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto connect_limit = std::chrono::seconds(180);
constexpr auto poll_interval = std::chrono::microseconds(50);

void check(ncclResult_t code, std::string_view call,
           std::source_location where = std::source_location::current()) {
  if (code == ncclSuccess) return;
  throw Error(text(call, " failed at ", where.file_name(), ":", where.line()),
              text(ncclGetErrorString(code), "; ", ncclGetLastError(nullptr)),
              "NCCL_DEBUG=INFO in the environment makes NCCL explain");
}

// LibTorch brings an NCCL of its own; an older one found first lacks functions that we compiled against.
void check_version() {
  int found = 0;
  check(ncclGetVersion(&found), "ncclGetVersion");
  if (found >= NCCL_VERSION_CODE && found / 10000 == NCCL_MAJOR) return;
  throw Error(text("NCCL ", found, " was loaded, but tutti was built with ", NCCL_VERSION_CODE),
              "an older libnccl.so.2 comes first in LD_LIBRARY_PATH", "Take it out of LD_LIBRARY_PATH");
}

ncclDataType_t nccl_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kInt:
      return ncclInt32;
    case at::kLong:
      return ncclInt64;
    case at::kByte:
      return ncclUint8;
    default:
      throw Error(text("no NCCL type for dtype ", type));
  }
}

ncclRedOp_t nccl_op(Reduce reduce) {
  if (reduce == Reduce::sum) return ncclSum;
  return reduce == Reduce::max ? ncclMax : ncclMin;
}

ncclUniqueId shared_id(const Communicator& over_mpi) {
  ncclUniqueId id{};
  if (over_mpi.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(sizeof id)}, at::kByte);
  std::memcpy(bytes.mutable_data_ptr(), &id, sizeof id);
  over_mpi.broadcast(bytes, 0);
  std::memcpy(&id, bytes.const_data_ptr(), sizeof id);
  return id;
}

class NcclBackend final : public Backend {
 public:
  // Takes over_mpi for its own.
  NcclBackend(Communicator over_mpi, at::Device device)
      : over_mpi_(std::move(over_mpi)), device_(device), exceptions_at_start_(std::uncaught_exceptions()) {
    const ncclUniqueId id = shared_id(over_mpi_);
    const c10::cuda::CUDAGuard guard(device_);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const auto code = ncclCommInitRankConfig(&nccl_, size(), id, rank(), &config);
    try {
      settle(code, "ncclCommInitRankConfig", connect_limit);
    } catch (...) {
      abort();
      throw;
    }
    const auto& mpi = *over_mpi_.implementation();
    log_ = std::make_shared<StreamLog>(mix_key(mpi.id(), 1), "nccl", mpi.ranks());
    mpi.activity()->add(log_);
  }
  ~NcclBackend() override {
    if (std::uncaught_exceptions() > exceptions_at_start_) abort();
  }

  std::string name() const override { return "nccl"; }
  int rank() const override { return over_mpi_.rank(); }
  int size() const override { return over_mpi_.size(); }

  void all_reduce(at::Tensor& tensor, Reduce reduce) override {
    if (tensor.is_cpu()) return over_mpi_.all_reduce(tensor, reduce);
    check_device(tensor, "all_reduce");
    const c10::cuda::CUDAGuard guard(device_);
    settle(ncclAllReduce(tensor.const_data_ptr(), tensor.mutable_data_ptr(), count(tensor),
                         nccl_type(tensor.scalar_type()), nccl_op(reduce), nccl_, stream()),
           "ncclAllReduce");
    log_->enqueued("all_reduce", c10::cuda::getCurrentCUDAStream(device_.index()));
  }

  void broadcast(at::Tensor& tensor, int root) override {
    if (tensor.is_cpu()) return over_mpi_.broadcast(tensor, root);
    check_device(tensor, "broadcast");
    const c10::cuda::CUDAGuard guard(device_);
    settle(ncclBroadcast(tensor.const_data_ptr(), tensor.mutable_data_ptr(), count(tensor),
                         nccl_type(tensor.scalar_type()), root, nccl_, stream()),
           "ncclBroadcast");
    log_->enqueued("broadcast", c10::cuda::getCurrentCUDAStream(device_.index()));
  }

  void all_gather(const at::Tensor& tensor, at::Tensor& all) override {
    if (tensor.is_cpu()) {
      all = over_mpi_.all_gather(tensor);
      return;
    }
    check_device(tensor, "all_gather");
    const c10::cuda::CUDAGuard guard(device_);
    settle(ncclAllGather(tensor.const_data_ptr(), all.mutable_data_ptr(), count(tensor),
                         nccl_type(tensor.scalar_type()), nccl_, stream()),
           "ncclAllGather");
    log_->enqueued("all_gather", c10::cuda::getCurrentCUDAStream(device_.index()));
  }

  // Waits for this rank's stream first, so that nothing enqueued before is still under way.
  void barrier() override {
    const auto current = c10::cuda::getCurrentCUDAStream(device_.index());
    while (!current.query()) {
      check_progress("waiting for the CUDA stream");
      std::this_thread::sleep_for(poll_interval);
    }
    over_mpi_.barrier();
  }

  std::shared_ptr<Backend> split(int color, int key) override {
    return std::make_shared<NcclBackend>(over_mpi_.split(color, key), device_);
  }
  std::shared_ptr<Backend> split_by_node() override {
    return std::make_shared<NcclBackend>(over_mpi_.split_by_node(), device_);
  }
  std::shared_ptr<Backend> duplicate(const std::string& label) override {
    return std::make_shared<NcclBackend>(over_mpi_.duplicate(label), device_);
  }

  void close() override {
    const c10::cuda::CUDAGuard guard(device_);
    settle(ncclCommFinalize(nccl_), "ncclCommFinalize");
    check(ncclCommDestroy(std::exchange(nccl_, nullptr)), "ncclCommDestroy");
    over_mpi_.close();
  }

  std::shared_ptr<Activity> activity() const override { return over_mpi_.implementation()->activity(); }
  std::uint64_t id() const override { return log_->id(); }
  const std::vector<int>& ranks() const override { return log_->ranks(); }

 private:
  static std::size_t count(const at::Tensor& tensor) { return static_cast<std::size_t>(tensor.numel()); }
  cudaStream_t stream() const { return c10::cuda::getCurrentCUDAStream(device_.index()).stream(); }

  void check_device(const at::Tensor& tensor, const char* collective) const {
    if (tensor.device() == device_) return;
    throw Error(text(collective, " over NCCL got a tensor on ", tensor.device()),
                text("this rank's device is ", device_));
  }

  ncclResult_t state(std::string_view call) const {
    ncclResult_t result = ncclSuccess;
    check(ncclCommGetAsyncError(nccl_, &result), call);
    return result;
  }

  void check_progress(std::string_view call) const {
    const ncclResult_t now = state(call);
    if (now != ncclInProgress) check(now, call);
  }

  // A call of a non-blocking communicator may return before it has done its work on the host.
  void settle(ncclResult_t code, std::string_view call,
              Clock::duration limit = Clock::duration::max()) const {
    const auto start = Clock::now();
    while (code == ncclInProgress) {
      if (Clock::now() - start > limit) {
        throw Error(
            text("NCCL did not connect ", size(), " ranks within ",
                 std::chrono::duration_cast<std::chrono::seconds>(limit).count(), " s"),
            "a rank is missing, or the nodes do not reach each other on the interface that NCCL chose",
            "NCCL_DEBUG=INFO shows the interfaces; NCCL_SOCKET_IFNAME chooses one");
      }
      std::this_thread::sleep_for(poll_interval);
      code = state(call);
    }
    check(code, call);
  }

  void abort() noexcept {
    if (nccl_) ncclCommAbort(nccl_);
    nccl_ = nullptr;
  }

  Communicator over_mpi_;
  at::Device device_;
  int exceptions_at_start_;
  ncclComm_t nccl_ = nullptr;
  std::shared_ptr<StreamLog> log_;
};

}  // namespace

Communicator nccl(const Communicator& over_mpi, at::Device device) {
  if (!device.is_cuda() || !device.has_index()) {
    throw Error(text("NCCL communicator for device ", device), "it needs a GPU by index, such as cuda:0");
  }
  check_version();
  return Communicator(std::make_shared<NcclBackend>(over_mpi.duplicate("host side of nccl"), device));
}

}  // namespace tutti::dist
