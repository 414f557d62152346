// How much of the gradient exchange GradientSync hides behind backward.
//
//   tests/run_ranks.sh 2 build/release/tools/overlap_benchmark
//
// 14 buckets of 25 MB (AST-base has 350 MB of gradients). The stand-in for compute *sleeps*, as a CPU does
// that waits for a GPU: two busy ranks on two cores would leave no core for the communication thread. It
// takes 1.5 times as long as the exchange alone, spread evenly over the buckets. The part of the exchange
// that can be hidden at all is what the sleep covers: everything but the last bucket.

#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <iomanip>
#include <iostream>
#include <thread>
#include <vector>

#include "dist/environment.h"
#include "dist/gradient_sync.h"

namespace {

using namespace tutti::dist;
using Seconds = std::chrono::duration<double>;

constexpr int bucket_count = 14;
constexpr double bucket_mb = 25;
constexpr int repeats = 7;

std::vector<at::Tensor> make_parameters() {
  std::vector<at::Tensor> parameters;
  for (int i = 0; i < bucket_count; ++i) {
    parameters.push_back(
        at::zeros({static_cast<std::int64_t>(bucket_mb * 1e6 / sizeof(float))}).requires_grad_());
  }
  return parameters;
}

GradientSyncOptions options(const char* overlap) {
  return {.bucket_mb = bucket_mb, .first_bucket_mb = bucket_mb, .overlap = overlap};
}

// A step as backward would make it: gradients arrive one by one, last parameter first, `pause` apart. The
// hook is what autograd would call; no gradient is computed, so nothing but sleep and exchange is timed.
double step_seconds(const Communicator& world, GradientSync& sync, const std::vector<at::Tensor>& parameters,
                    Seconds pause) {
  world.barrier();
  const auto start = std::chrono::steady_clock::now();
  sync.begin(true);
  for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
    std::this_thread::sleep_for(pause);
    if (auto& hook = torch::autograd::impl::post_acc_grad_hooks(*parameter)) (*hook)(*parameter);
  }
  sync.finish();
  world.barrier();
  return Seconds(std::chrono::steady_clock::now() - start).count();
}

// The middle of several, after one to warm up.
double median_seconds(const Communicator& world, GradientSync& sync,
                      const std::vector<at::Tensor>& parameters, Seconds pause) {
  step_seconds(world, sync, parameters, pause);
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) times.push_back(step_seconds(world, sync, parameters, pause));
  std::ranges::nth_element(times, times.begin() + repeats / 2);
  return times[repeats / 2];
}

void run(const Communicator& world) {
  const auto parameters = make_parameters();
  double exchange = 0, serial = 0, overlapped = 0;
  Seconds pause{};
  {
    GradientSync sync(parameters, world, options("off"));
    exchange = median_seconds(world, sync, parameters, Seconds(0));
    at::Tensor agreed = at::zeros({1}, at::kDouble);
    *agreed.mutable_data_ptr<double>() = exchange;
    world.broadcast(agreed, 0);
    pause = Seconds(1.5 * *agreed.const_data_ptr<double>() / bucket_count);
    serial = median_seconds(world, sync, parameters, pause);
  }
  {
    GradientSync sync(parameters, world, options("on"));
    overlapped = median_seconds(world, sync, parameters, pause);
  }
  if (world.rank() != 0) return;
  const double compute = bucket_count * pause.count();
  const double bytes = bucket_count * bucket_mb * 1e6;
  std::cout << std::fixed << std::setprecision(0) << world.size() << " ranks, " << bucket_count
            << " buckets of " << bucket_mb << " MB, median of " << repeats << " steps\n"
            << "exchange alone                " << 1000 * exchange << " ms (" << std::setprecision(2)
            << bytes / exchange / 1e9 << " GB/s)\n"
            << std::setprecision(0) << "sleep alone                   " << 1000 * compute << " ms\n"
            << "exchange after the sleep      " << 1000 * serial << " ms\n"
            << "exchange beside the sleep     " << 1000 * overlapped << " ms\n"
            << "hidden share of the exchange  " << 100 * (serial - overlapped) / (serial - compute) << "%\n"
            << std::setprecision(2) << "step time, beside / after     " << overlapped / serial << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Environment environment(argc, argv);
    const Communicator world = environment.world();
    if (world.size() == 1) {
      std::cerr << "overlap_benchmark: one rank exchanges nothing. Run: tests/run_ranks.sh 2 " << argv[0]
                << "\n";
      return 2;
    }
    run(world);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "overlap_benchmark: " << error.what() << "\n";
    return 1;
  }
}
