#include "dist/gradient_sync.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "base/counter_rng.h"
#include "base/error.h"
#include "tests/dist/backends.h"
#include "tests/mpi_main.h"

namespace tutti::dist {
namespace {

at::Tensor random(const std::vector<std::int64_t>& shape, std::uint64_t key) {
  CounterRng rng(key);
  at::Tensor x = at::zeros(shape);
  auto* values = x.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < x.numel(); ++i) values[i] = static_cast<float>(rng.normal());
  return x;
}

// Three linear layers, the same on every rank. Sizes are no multiples of 16, so the flat buffer has gaps.
struct Net {
  std::vector<at::Tensor> parameters;

  explicit Net(at::Device device = at::kCPU) {
    const std::int64_t widths[] = {7, 33, 21, 5};
    for (std::size_t layer = 0; layer < 3; ++layer) {
      parameters.push_back(
          random({widths[layer + 1], widths[layer]}, 10 * layer).to(device).requires_grad_());
      parameters.push_back(random({widths[layer + 1]}, 10 * layer + 1).to(device).requires_grad_());
    }
  }
  at::Tensor loss(const at::Tensor& x_BC) const {
    at::Tensor y = x_BC;
    for (std::size_t i = 0; i < parameters.size(); i += 2) {
      y = at::tanh(at::linear(y, parameters[i], parameters[i + 1]));
    }
    return y.square().sum();
  }
  std::vector<at::Tensor> gradients() const {
    std::vector<at::Tensor> result;
    for (const at::Tensor& p : parameters) result.push_back(p.grad().cpu().clone());
    return result;
  }
};

at::Tensor rows_of(int rank, std::uint64_t part = 0) {
  return random({3, 7}, 1000 + 10 * static_cast<std::uint64_t>(rank) + part);
}

// One process's gradients over everyone's rows.
std::vector<at::Tensor> serial_gradients(int ranks, int parts = 1) {
  std::vector<at::Tensor> rows;
  for (int rank = 0; rank < ranks; ++rank) {
    for (int part = 0; part < parts; ++part) rows.push_back(rows_of(rank, static_cast<std::uint64_t>(part)));
  }
  Net net;
  net.loss(at::cat(rows)).backward();
  return net.gradients();
}

void expect_close(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& expected,
                  double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double scale = expected[i].abs().max().item<double>();
    EXPECT_LE((got[i] - expected[i]).abs().max().item<double>(), tolerance * scale) << "parameter " << i;
  }
}

// Every case with reductions after backward, on a thread beside it, and on a CUDA stream beside it.
class Gradients : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() != "stream") return;
    const Place place = find_place("nccl");
    if (!place.no_gpu.empty()) GTEST_SKIP() << "needs a GPU: " << place.no_gpu;
    world_ = place.communicator;
    device_ = place.device;
  }

  at::Tensor rows(std::uint64_t part = 0) const { return rows_of(world_.rank(), part).to(device_); }

  Communicator world_ = tests::world();
  at::Device device_ = at::kCPU;
  GradientSyncOptions options_{
      .bucket_mb = 0.002, .first_bucket_mb = 0.001, .overlap = GetParam() == "after" ? "off" : "on"};
};

TEST_P(Gradients, EqualASerialSumOverTheUnionBatch) {
  Net net(device_);
  GradientSync sync(net.parameters, world_, options_);
  EXPECT_EQ(sync.overlaps(), GetParam() != "after" && world_.size() > 1);
  if (world_.size() > 1) {
    EXPECT_GT(sync.buckets(), 2);
  }
  for (int step = 0; step < 3; ++step) {
    sync.zero();
    sync.begin(true);
    net.loss(rows()).backward();
    sync.finish();
    expect_close(net.gradients(), serial_gradients(world_.size()), 1e-5);
  }
}

TEST_P(Gradients, AccumulateBeforeTheySum) {
  Net net(device_);
  GradientSync sync(net.parameters, world_, options_);
  sync.zero();
  for (std::uint64_t part = 0; part < 3; ++part) {
    sync.begin(part == 2);
    net.loss(rows(part)).backward();
  }
  sync.finish();
  expect_close(net.gradients(), serial_gradients(world_.size(), 3), 1e-5);
}

TEST_P(Gradients, OfUnusedParametersCountAsZero) {
  // Rank 0 leaves the last layer out, rank 1 everything, and the others nothing.
  Net net(device_);
  GradientSync sync(net.parameters, world_, options_);
  sync.zero();
  sync.begin(true);
  if (world_.rank() == 0) {
    at::linear(rows(), net.parameters[0], net.parameters[1]).sum().backward();
  } else if (world_.rank() > 1) {
    net.loss(rows()).backward();
  }
  sync.finish();

  Net reference;
  at::linear(rows_of(0), reference.parameters[0], reference.parameters[1]).sum().backward();
  for (int rank = 2; rank < world_.size(); ++rank) reference.loss(rows_of(rank)).backward();
  for (const at::Tensor& p : reference.parameters) {
    if (!p.grad().defined()) p.mutable_grad() = at::zeros_like(p);
  }
  expect_close(net.gradients(), reference.gradients(), 1e-5);
}

TEST_P(Gradients, MayArriveInAnyOrder) {
  // Odd ranks compute their gradients in the opposite order. The sum is of whole numbers: exact.
  std::vector<at::Tensor> parameters;
  for (int i = 0; i < 20; ++i) parameters.push_back(at::zeros({300}, device_).requires_grad_());
  GradientSync sync(parameters, world_, options_);
  sync.zero();
  sync.begin(true);
  at::Tensor loss = at::zeros({}, device_);
  for (int i = 0; i < 20; ++i) {
    const int index = world_.rank() % 2 == 0 ? i : 19 - i;
    loss = loss + (parameters[static_cast<std::size_t>(index)] * (index + world_.rank())).sum();
  }
  loss.backward();
  sync.finish();
  for (int i = 0; i < 20; ++i) {
    const float expected =
        static_cast<float>(2 * world_.size() * i + world_.size() * (world_.size() - 1)) / 2;
    EXPECT_TRUE(at::equal(parameters[static_cast<std::size_t>(i)].grad().cpu(), at::full({300}, expected)))
        << i;
  }
}

TEST_P(Gradients, AreTheSameBitForBitWhenRepeatedAndOnEveryRank) {
  std::vector<at::Tensor> runs;
  for (int run = 0; run < 2; ++run) {
    Net net(device_);
    GradientSync sync(net.parameters, world_, options_);
    sync.zero();
    sync.begin(true);
    net.loss(rows()).backward();
    sync.finish();
    runs.push_back(sync.flat().clone());
  }
  EXPECT_TRUE(at::equal(runs[0], runs[1]));
  const at::Tensor all = world_.all_gather(runs[0]);
  for (int rank = 0; rank < world_.size(); ++rank) EXPECT_TRUE(at::equal(all[rank], runs[0])) << rank;
}

TEST_P(Gradients, TravelAsBfloat16WithinItsPrecision) {
  options_.wire = "bf16";
  Net net(device_);
  GradientSync sync(net.parameters, world_, options_);
  sync.zero();
  sync.begin(true);
  net.loss(rows()).backward();
  sync.finish();
  // Each contribution and each of size - 1 additions is rounded to 8 bits.
  expect_close(net.gradients(), serial_gradients(world_.size()), 1.0 / 256 * world_.size());
}

TEST_P(Gradients, TooManyArrivalsAreAnError) {
  Net net(device_);
  GradientSync sync(net.parameters, world_, options_);
  sync.zero();
  sync.begin(true);
  net.loss(rows()).backward();
  if (sync.overlaps()) {
    EXPECT_THROW(net.loss(rows()).backward(), Error);
  }
  sync.finish();
}

TEST_P(Gradients, CallsOutOfOrderAreErrors) {
  Net net(device_);
  GradientSync sync(net.parameters, world_, options_);
  EXPECT_THROW(sync.finish(), Error);
  sync.begin(false);
  EXPECT_THROW(sync.finish(), Error);
  sync.begin(true);
  EXPECT_THROW(sync.begin(true), Error);
  sync.finish();
  net.parameters[2].mutable_grad() = at::zeros({21, 33}, device_);
  EXPECT_THROW(sync.begin(true), Error);
}

// Where only some ranks fail, the job must end: tests/dist/job_ends.sh.
TEST_P(Gradients, AnExceptionInBackwardOnAllRanksLeavesThemUsable) {
  {
    Net net(device_);
    GradientSync sync(net.parameters, world_, options_);
    sync.zero();
    sync.begin(true);
    // The first layer's backward fails when the buckets of the others are under way.
    at::Tensor hidden = at::linear(rows(), net.parameters[0], net.parameters[1]);
    hidden.register_hook([](const at::Tensor&) -> at::Tensor { throw std::runtime_error("out of luck"); });
    at::Tensor y = at::tanh(hidden);
    for (std::size_t i = 2; i < 6; i += 2)
      y = at::tanh(at::linear(y, net.parameters[i], net.parameters[i + 1]));
    EXPECT_THROW(y.square().sum().backward(), std::runtime_error);
  }
  Net net(device_);
  GradientSync sync(net.parameters, world_, options_);
  sync.begin(true);
  net.loss(rows()).backward();
  sync.finish();
  expect_close(net.gradients(), serial_gradients(world_.size()), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Overlap, Gradients, testing::Values("after", "thread", "stream"),
                         [](const auto& instance) { return instance.param; });

TEST(GradientLayout, ViewsOneFlatBufferInOrderAtAlignedOffsets) {
  Net net;
  GradientSync sync(net.parameters, Communicator());
  EXPECT_EQ(sync.buckets(), 0);
  EXPECT_FALSE(sync.overlaps());
  const auto* begin = sync.flat().const_data_ptr<float>();
  const float* previous = begin - 1;
  for (const at::Tensor& p : net.parameters) {
    const auto* at = p.grad().const_data_ptr<float>();
    EXPECT_GT(at, previous);
    EXPECT_EQ((at - begin) % 16, 0);
    previous = at;
  }
  net.loss(rows_of(0)).backward();
  EXPECT_EQ(net.parameters[0].grad().const_data_ptr<float>(), begin);
  double squares = 0;
  for (const at::Tensor& p : net.parameters) squares += p.grad().square().sum().item<double>();
  EXPECT_NEAR(sync.flat().square().sum().item<double>(), squares, 1e-4 * squares);
  sync.zero();
  EXPECT_EQ(net.parameters[1].grad().abs().max().item<float>(), 0);
}

TEST(GradientLayout, RefusesWhatItCannotSum) {
  const Communicator serial;
  const auto complaint = [&](std::vector<at::Tensor> parameters) -> std::string {
    try {
      const GradientSync sync(parameters, serial);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_NE(complaint({}).find("no parameter"), std::string::npos);
  const std::string dtype = complaint({at::zeros({3}, at::kDouble).requires_grad_()});
  EXPECT_NE(dtype.find("Double"), std::string::npos) << dtype;
  EXPECT_NE(complaint({at::zeros({3})}).find("frozen"), std::string::npos);
  const std::string devices =
      complaint({at::zeros({3}).requires_grad_(), at::zeros({3}, at::kMeta).requires_grad_()});
  EXPECT_NE(devices.find("meta"), std::string::npos) << devices;
}

TEST(GradientLayout, RanksWithOtherParametersAreNamed) {
  const Communicator world = tests::world();
  const std::vector<at::Tensor> parameters{at::zeros({world.rank() == 1 ? 4 : 3}).requires_grad_()};
  if (world.size() == 1) {
    EXPECT_NO_THROW(GradientSync(parameters, world)) << "one rank agrees with itself";
    return;
  }
  try {
    const GradientSync sync(parameters, world);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("rank 1"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tutti::dist
