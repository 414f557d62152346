// Collectives in host memory, by MPI.

#include "dist/mpi_backend.h"

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "base/counter_rng.h"
#include "base/error.h"
#include "dist/backend.h"
#include "dist/mpi_check.h"

namespace tutti::dist {
namespace {

// MPI counts are int, so a long buffer goes in pieces. The pieces are much smaller than they need be:
// Open MPI's reduction takes a temporary of the message's size, and the page faults of a large one halve
// the bandwidth (2 ranks, 350 MB: 5.5 GB/s in pieces of 8 MB, 2.3 GB/s in one).
constexpr std::int64_t piece_bytes = std::int64_t{8} << 20;

// The next piece of at most piece_bytes, cut off the front of `rest`.
std::span<std::byte> next_piece(std::span<std::byte>& rest) {
  const auto piece = rest.first(std::min(rest.size(), static_cast<std::size_t>(piece_bytes)));
  rest = rest.subspan(piece.size());
  return piece;
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

MPI_Datatype mpi_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kBFloat16:
      return MPI_UINT16_T;  // reduced by Bfloat16Op
    case at::kInt:
      return MPI_INT32_T;
    case at::kLong:
      return MPI_INT64_T;
    case at::kByte:
      return MPI_UINT8_T;
    default:
      throw Error(text("no MPI type for dtype ", type));
  }
}

MPI_Op mpi_op(Reduce reduce) {
  if (reduce == Reduce::sum) return MPI_SUM;
  return reduce == Reduce::max ? MPI_MAX : MPI_MIN;
}

template <class Combine>
void combine_bfloat16(void* in, void* in_out, int count, Combine combine) {
  const auto* a = static_cast<const c10::BFloat16*>(in);
  auto* b = static_cast<c10::BFloat16*>(in_out);
  for (int i = 0; i < count; ++i) b[i] = combine(static_cast<float>(a[i]), static_cast<float>(b[i]));
}

void sum_bfloat16(void* in, void* in_out, int* count, MPI_Datatype*) {
  combine_bfloat16(in, in_out, *count, [](float a, float b) { return a + b; });
}
void max_bfloat16(void* in, void* in_out, int* count, MPI_Datatype*) {
  combine_bfloat16(in, in_out, *count, [](float a, float b) { return std::max(a, b); });
}
void min_bfloat16(void* in, void* in_out, int* count, MPI_Datatype*) {
  combine_bfloat16(in, in_out, *count, [](float a, float b) { return std::min(a, b); });
}

// MPI knows no bfloat16. An operation of our own keeps two bytes an element on the wire, which is why
// anyone sends bfloat16; going through float32 would send four.
class Bfloat16Op {
 public:
  explicit Bfloat16Op(Reduce reduce) {
    MPI_User_function* function = reduce == Reduce::sum   ? sum_bfloat16
                                  : reduce == Reduce::max ? max_bfloat16
                                                          : min_bfloat16;
    check(MPI_Op_create(function, /*commute=*/1, &op_), "MPI_Op_create");
  }
  Bfloat16Op(const Bfloat16Op&) = delete;
  Bfloat16Op& operator=(const Bfloat16Op&) = delete;
  ~Bfloat16Op() { MPI_Op_free(&op_); }  // local
  MPI_Op get() const { return op_; }

 private:
  MPI_Op op_ = MPI_OP_NULL;
};

// `bytes` bytes that MPI places `stride` bytes apart, one piece a rank.
class StridedBytes {
 public:
  StridedBytes(std::size_t bytes, std::size_t stride) {
    MPI_Datatype packed = MPI_DATATYPE_NULL;
    check(MPI_Type_contiguous(static_cast<int>(bytes), MPI_BYTE, &packed), "MPI_Type_contiguous");
    const int code = MPI_Type_create_resized(packed, 0, static_cast<MPI_Aint>(stride), &type_);
    MPI_Type_free(&packed);
    check(code, "MPI_Type_create_resized");
    check(MPI_Type_commit(&type_), "MPI_Type_commit");
  }
  StridedBytes(const StridedBytes&) = delete;
  StridedBytes& operator=(const StridedBytes&) = delete;
  ~StridedBytes() { MPI_Type_free(&type_); }  // local
  MPI_Datatype get() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

void check_host(const at::Tensor& tensor, const char* collective) {
  if (tensor.device().is_cpu()) return;
  throw Error(text(collective, " over MPI got a tensor on ", tensor.device()),
              "MPI exchanges host memory only", "Use the communicator that nccl() makes");
}

// The ranks of a communicator by their numbers in the job.
std::vector<int> ranks_of(MPI_Comm communicator) {
  int size = 0;
  check(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
  std::vector<int> here(static_cast<std::size_t>(size)), in_job(here.size());
  std::iota(here.begin(), here.end(), 0);
  MPI_Group group = MPI_GROUP_NULL, job = MPI_GROUP_NULL;
  check(MPI_Comm_group(communicator, &group), "MPI_Comm_group");
  check(MPI_Comm_group(MPI_COMM_WORLD, &job), "MPI_Comm_group");
  const int code = MPI_Group_translate_ranks(group, size, here.data(), job, in_job.data());
  MPI_Group_free(&group);
  MPI_Group_free(&job);
  check(code, "MPI_Group_translate_ranks");
  return in_job;
}

class MpiBackend final : public Backend {
 public:
  // `id` and `label` are the same on all ranks of the communicator.
  MpiBackend(MPI_Comm communicator, std::shared_ptr<Activity> activity, std::uint64_t id, std::string label)
      : communicator_(communicator),
        activity_(std::move(activity)),
        log_(std::make_shared<CollectiveLog>(id, std::move(label), ranks_of(communicator))) {
    check(MPI_Comm_rank(communicator_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(communicator_, &size_), "MPI_Comm_size");
    activity_->add(log_);
  }
  // No destructor: MPI_Comm_free is collective.

  std::string name() const override { return "mpi"; }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void all_reduce(at::Tensor& tensor, Reduce reduce) override {
    check_host(tensor, "all_reduce");
    const Stay stay(*log_, "all_reduce");
    if (tensor.scalar_type() == at::kBFloat16) {
      all_reduce(tensor, Bfloat16Op(reduce).get());
    } else {
      all_reduce(tensor, mpi_op(reduce));
    }
  }

  void broadcast(at::Tensor& tensor, int root) override {
    check_host(tensor, "broadcast");
    const Stay stay(*log_, "broadcast");
    for (auto rest = bytes_of(tensor); !rest.empty();) {
      const auto piece = next_piece(rest);
      check(MPI_Bcast(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, root, communicator_),
            "MPI_Bcast");
    }
  }

  void all_gather(const at::Tensor& tensor, at::Tensor& all) override {
    check_host(tensor, "all_gather");
    const Stay stay(*log_, "all_gather");
    const auto from = bytes_of(tensor);
    auto to = bytes_of(all);
    for (auto rest = from; !rest.empty();) {
      const auto piece = next_piece(rest);
      const StridedBytes row(piece.size(), from.size());
      check(MPI_Allgather(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, to.data(), 1, row.get(),
                          communicator_),
            "MPI_Allgather");
      to = to.subspan(piece.size());
    }
  }

  void barrier() override {
    const Stay stay(*log_, "barrier");
    check(MPI_Barrier(communicator_), "MPI_Barrier");
  }

  std::shared_ptr<Backend> split(int color, int key) override {
    const Stay stay(*log_, "split");
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split(communicator_, color, key, &part), "MPI_Comm_split");
    return child(part, text("part ", color, " of ", log_->name()));
  }

  std::shared_ptr<Backend> split_by_node() override {
    const Stay stay(*log_, "split_by_node");
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split_type(communicator_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &part),
          "MPI_Comm_split_type");
    return child(part, text("a node of ", log_->name()));
  }

  std::shared_ptr<Backend> duplicate(const std::string& label) override {
    const Stay stay(*log_, "duplicate");
    MPI_Comm copy = MPI_COMM_NULL;
    check(MPI_Comm_dup(communicator_, &copy), "MPI_Comm_dup");
    return child(copy, label.empty() ? text("copy of ", log_->name()) : label);
  }

  void close() override {
    const Stay stay(*log_, "close");
    check(MPI_Comm_free(&communicator_), "MPI_Comm_free");
  }

  std::shared_ptr<Activity> activity() const override { return activity_; }
  std::uint64_t id() const override { return log_->id(); }
  const std::vector<int>& ranks() const override { return log_->ranks(); }

 private:
  using Stay = CollectiveLog::Stay;

  // Ranks make communicators in the same order, so counting them tells them apart everywhere alike. The
  // parts of one split have ranks of their own, and differ by the first.
  std::shared_ptr<Backend> child(MPI_Comm communicator, std::string label) {
    const auto id =
        mix_key(mix_key(log_->id(), ++children_), static_cast<std::uint64_t>(ranks_of(communicator).front()));
    return std::make_shared<MpiBackend>(communicator, activity_, id, std::move(label));
  }

  void all_reduce(at::Tensor& tensor, MPI_Op op) {
    const MPI_Datatype type = mpi_type(tensor.scalar_type());
    const std::size_t width = tensor.element_size();
    for (auto rest = bytes_of(tensor); !rest.empty();) {
      const auto piece = next_piece(rest);
      check(MPI_Allreduce(MPI_IN_PLACE, piece.data(), static_cast<int>(piece.size() / width), type, op,
                          communicator_),
            "MPI_Allreduce");
    }
  }

  MPI_Comm communicator_;
  std::shared_ptr<Activity> activity_;
  std::shared_ptr<CollectiveLog> log_;
  std::uint64_t children_ = 0;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace

Communicator mpi_communicator(MPI_Comm original, std::shared_ptr<Activity> activity) {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(original, &copy), "MPI_Comm_dup");
  return Communicator(std::make_shared<MpiBackend>(copy, std::move(activity), 0, "world"));
}

}  // namespace tutti::dist
