#include "dist/communicator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "tests/dist/backends.h"
#include "tests/mpi_main.h"

namespace tutti::dist {
namespace {

constexpr at::ScalarType dtypes[] = {at::kFloat, at::kDouble, at::kBFloat16, at::kInt, at::kLong, at::kByte};

// 0, 1, 2, ...
at::Tensor iota(std::int64_t count, at::ScalarType type, at::Device device) {
  return at::arange(count, at::kLong).to(device, type);
}

// What rank `rank` brings: small whole numbers, exact in every dtype, different on every rank.
at::Tensor brought_by(int rank, at::ScalarType type, at::Device device) {
  return iota(13, type, device).add_(rank);
}

template <class Function>
std::string message_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// One instance a backend.
class Conformance : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const Place place = find_place(GetParam());
    if (!place.no_gpu.empty()) GTEST_SKIP() << "needs a GPU: " << place.no_gpu;
    communicator_ = place.communicator;
    device_ = place.device;
  }

  Communicator communicator_;
  at::Device device_ = at::kCPU;
};

TEST_P(Conformance, AllReduceInEveryDtype) {
  for (const auto type : dtypes) {
    at::Tensor sum = brought_by(communicator_.rank(), type, device_);
    at::Tensor max = sum.clone();
    at::Tensor min = sum.clone();
    communicator_.all_reduce(sum, Reduce::sum);
    communicator_.all_reduce(max, Reduce::max);
    communicator_.all_reduce(min, Reduce::min);
    at::Tensor expected = at::zeros_like(sum);
    for (int rank = 0; rank < communicator_.size(); ++rank) expected += brought_by(rank, type, device_);
    EXPECT_TRUE(at::equal(sum, expected)) << type;
    EXPECT_TRUE(at::equal(max, brought_by(communicator_.size() - 1, type, device_))) << type;
    EXPECT_TRUE(at::equal(min, brought_by(0, type, device_))) << type;
  }
}

TEST_P(Conformance, AllReduceHandlesNegativeNumbers) {
  for (const auto type : dtypes) {
    if (type == at::kByte) continue;
    at::Tensor max = at::full({3}, -1 - communicator_.rank(), at::TensorOptions(device_).dtype(type));
    at::Tensor min = max.clone();
    communicator_.all_reduce(max, Reduce::max);
    communicator_.all_reduce(min, Reduce::min);
    EXPECT_EQ(max[1].item<double>(), -1) << type;
    EXPECT_EQ(min[1].item<double>(), -communicator_.size()) << type;
  }
}

TEST_P(Conformance, Bfloat16SumsAreRounded) {
  // 2^-10 is lost beside 1 in bfloat16, which keeps 8 bits.
  at::Tensor x = at::full({5}, communicator_.rank() == 0 ? 1.0 : 1.0 / 1024,
                          at::TensorOptions(device_).dtype(at::kBFloat16));
  communicator_.all_reduce(x, Reduce::sum);
  EXPECT_NEAR(x[4].item<float>(), 1.0F, 1.0F / 128);
}

TEST_P(Conformance, BroadcastFromEveryRoot) {
  for (const auto type : dtypes) {
    for (int root = 0; root < communicator_.size(); ++root) {
      at::Tensor x = brought_by(communicator_.rank(), type, device_);
      communicator_.broadcast(x, root);
      EXPECT_TRUE(at::equal(x, brought_by(root, type, device_))) << type << " from " << root;
    }
  }
}

TEST_P(Conformance, AllGatherPutsRanksInOrder) {
  for (const auto type : dtypes) {
    const at::Tensor mine = brought_by(communicator_.rank(), type, device_);
    std::vector<at::Tensor> rows;
    for (int rank = 0; rank < communicator_.size(); ++rank) rows.push_back(brought_by(rank, type, device_));
    EXPECT_TRUE(at::equal(communicator_.all_gather(mine), at::stack(rows))) << type;
    EXPECT_TRUE(at::equal(mine, rows[static_cast<std::size_t>(communicator_.rank())])) << type;
  }
}

TEST_P(Conformance, ShapesAreKept) {
  const at::Tensor matrix = at::ones({2, 3}, at::TensorOptions(device_));
  EXPECT_EQ(communicator_.all_gather(matrix).sizes(),
            (std::vector<std::int64_t>{communicator_.size(), 2, 3}));
  at::Tensor scalar = at::ones({}, at::TensorOptions(device_));
  EXPECT_EQ(communicator_.all_gather(scalar).sizes(), std::vector<std::int64_t>{communicator_.size()});
  communicator_.all_reduce(scalar, Reduce::sum);
  EXPECT_EQ(scalar.item<float>(), communicator_.size());
}

// Longer than the pieces in which MPI sends, and no multiple of them.
TEST_P(Conformance, LongTensors) {
  const std::int64_t count = (std::int64_t{5} << 20) + 3;
  const at::Tensor base = iota(count, at::kInt, device_);
  at::Tensor sum = base.clone();
  communicator_.all_reduce(sum, Reduce::sum);
  EXPECT_TRUE(at::equal(sum, base * communicator_.size()));
  const int last = communicator_.size() - 1;
  at::Tensor x = base + communicator_.rank();
  communicator_.broadcast(x, last);
  EXPECT_TRUE(at::equal(x, base + last));
  const at::Tensor all = communicator_.all_gather(base + communicator_.rank());
  for (int rank = 0; rank <= last; ++rank) EXPECT_TRUE(at::equal(all[rank], base + rank)) << rank;
}

TEST_P(Conformance, EmptyTensors) {
  at::Tensor x = at::empty({0, 4}, at::TensorOptions(device_));
  communicator_.all_reduce(x, Reduce::sum);
  communicator_.broadcast(x, 0);
  EXPECT_EQ(communicator_.all_gather(x).sizes(), (std::vector<std::int64_t>{communicator_.size(), 0, 4}));
}

TEST_P(Conformance, OtherDtypesAreNamed) {
  at::Tensor x = at::zeros({4}, at::TensorOptions(device_).dtype(at::kHalf));
  const std::string reduce = message_of([&] { communicator_.all_reduce(x, Reduce::sum); });
  EXPECT_NE(reduce.find("Half"), std::string::npos) << reduce;
  EXPECT_THROW(communicator_.broadcast(x, 0), Error);
  EXPECT_THROW(communicator_.all_gather(x), Error);
}

TEST_P(Conformance, StridedAndUndefinedTensorsAreRefused) {
  at::Tensor strided = at::zeros({4, 4}, at::TensorOptions(device_)).t().narrow(0, 0, 2);
  const std::string reduce = message_of([&] { communicator_.all_reduce(strided, Reduce::sum); });
  EXPECT_NE(reduce.find("not contiguous"), std::string::npos) << reduce;
  EXPECT_THROW(communicator_.broadcast(strided, 0), Error);
  EXPECT_THROW(communicator_.all_gather(strided), Error);
  at::Tensor undefined;
  EXPECT_THROW(communicator_.all_reduce(undefined, Reduce::sum), Error);
}

TEST_P(Conformance, RootsOutsideAreRefused) {
  at::Tensor x = at::zeros({4}, at::TensorOptions(device_));
  EXPECT_THROW(communicator_.broadcast(x, -1), Error);
  EXPECT_THROW(communicator_.broadcast(x, communicator_.size()), Error);
}

TEST_P(Conformance, SplitGroupsByColorAndOrdersByKey) {
  const int color = communicator_.rank() % 2;
  const Communicator part = communicator_.split(color, -communicator_.rank());
  EXPECT_EQ(part.size(), (communicator_.size() + 1 - color) / 2);
  at::Tensor mine = at::full({1}, communicator_.rank(), at::TensorOptions(device_).dtype(at::kInt));
  const at::Tensor members = part.all_gather(mine).flatten().cpu();
  for (int i = 0; i < part.size(); ++i) {
    EXPECT_EQ(members[i].item<int>(), 2 * (part.size() - 1 - i) + color);  // reversed by the key
  }
  EXPECT_THROW(communicator_.split(-1, 0), Error);
}

TEST_P(Conformance, DuplicateIsTheSameGroup) {
  Communicator copy = communicator_.duplicate();
  EXPECT_EQ(copy.rank(), communicator_.rank());
  EXPECT_EQ(copy.size(), communicator_.size());
  EXPECT_EQ(copy.backend(), GetParam());
  at::Tensor one = at::ones({1}, at::TensorOptions(device_));
  copy.all_reduce(one, Reduce::sum);
  EXPECT_EQ(one.item<float>(), communicator_.size());
  copy.close();
  communicator_.barrier();
}

TEST_P(Conformance, TextOfAnyLength) {
  std::string said =
      communicator_.rank() == communicator_.size() - 1 ? std::string("a\0b", 3) : "longer, and lost";
  broadcast(communicator_, said, communicator_.size() - 1);
  EXPECT_EQ(said, std::string("a\0b", 3));
  std::string nothing = communicator_.rank() == 0 ? "" : "lost";
  broadcast(communicator_, nothing, 0);
  EXPECT_EQ(nothing, "");
  const auto texts =
      all_gather(communicator_, std::string(static_cast<std::size_t>(communicator_.rank()) * 3, 'x'));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(communicator_.size()));
  for (std::size_t rank = 0; rank < texts.size(); ++rank) EXPECT_EQ(texts[rank], std::string(rank * 3, 'x'));
  EXPECT_EQ(all_gather(communicator_, std::string()), std::vector<std::string>(texts.size()));
}

INSTANTIATE_TEST_SUITE_P(Backends, Conformance, testing::Values("serial", "mpi", "nccl"),
                         [](const auto& instance) { return instance.param; });

TEST(Communicator, DefaultIsSerial) {
  const Communicator serial;
  EXPECT_EQ(serial.rank(), 0);
  EXPECT_EQ(serial.size(), 1);
  EXPECT_EQ(serial.backend(), "serial");
}

TEST(Communicator, MpiRefusesGpuMemory) {
  const Communicator world = tests::world();
  at::Tensor meta = at::empty({4}, at::TensorOptions(at::kMeta));
  const std::string message = message_of([&] { world.all_reduce(meta, Reduce::sum); });
  const std::string expected = world.backend() == "mpi" ? "nccl()" : "no error";  // serial: nothing to do
  EXPECT_NE(message.find(expected), std::string::npos) << message;
}

TEST(Communicator, NcclOnTheHostIsRefused) { EXPECT_THROW(nccl(Communicator(), at::kCPU), Error); }

}  // namespace
}  // namespace tutti::dist
