// Collectives in host memory, by MPI.

#include "dist/mpi_backend.h"

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstddef>
#include <span>

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

class MpiBackend final : public Backend {
 public:
  explicit MpiBackend(MPI_Comm communicator) : communicator_(communicator) {
    check(MPI_Comm_rank(communicator_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(communicator_, &size_), "MPI_Comm_size");
  }
  // No destructor: MPI_Comm_free is collective.

  std::string name() const override { return "mpi"; }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void all_reduce(at::Tensor& tensor, Reduce reduce) override {
    check_host(tensor, "all_reduce");
    if (tensor.scalar_type() == at::kBFloat16) {
      all_reduce(tensor, Bfloat16Op(reduce).get());
    } else {
      all_reduce(tensor, mpi_op(reduce));
    }
  }

  void broadcast(at::Tensor& tensor, int root) override {
    check_host(tensor, "broadcast");
    for (auto rest = bytes_of(tensor); !rest.empty();) {
      const auto piece = next_piece(rest);
      check(MPI_Bcast(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, root, communicator_),
            "MPI_Bcast");
    }
  }

  void all_gather(const at::Tensor& tensor, at::Tensor& all) override {
    check_host(tensor, "all_gather");
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

  void barrier() override { check(MPI_Barrier(communicator_), "MPI_Barrier"); }

  std::shared_ptr<Backend> split(int color, int key) override {
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split(communicator_, color, key, &part), "MPI_Comm_split");
    return std::make_shared<MpiBackend>(part);
  }

  std::shared_ptr<Backend> split_by_node() override {
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split_type(communicator_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &part),
          "MPI_Comm_split_type");
    return std::make_shared<MpiBackend>(part);
  }

  std::shared_ptr<Backend> duplicate() override {
    MPI_Comm copy = MPI_COMM_NULL;
    check(MPI_Comm_dup(communicator_, &copy), "MPI_Comm_dup");
    return std::make_shared<MpiBackend>(copy);
  }

  void close() override { check(MPI_Comm_free(&communicator_), "MPI_Comm_free"); }

 private:
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
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace

Communicator mpi_communicator(MPI_Comm original) {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(original, &copy), "MPI_Comm_dup");
  return Communicator(std::make_shared<MpiBackend>(copy));
}

}  // namespace tutti::dist
