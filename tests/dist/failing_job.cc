// A job of several ranks that ends in one of several ways; tests/dist/job_ends.sh looks at how.

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dist/environment.h"
#include "dist/gradient_sync.h"

namespace {

using tutti::dist::Communicator;

// Called right before a failure: job_ends.sh takes the time from here, because starting LibTorch on a busy
// machine takes longer than what it judges.
void say_failing_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::cerr << "failing_at_ms " << std::chrono::duration_cast<std::chrono::milliseconds>(now).count()
            << std::endl;
}

// Rank 0 fails before its first bucket; the others wait for it, some in a reduction, some in finish().
void fail_in_backward(const Communicator& world) {
  std::vector<at::Tensor> parameters;
  for (int i = 0; i < 4; ++i) parameters.push_back(at::zeros({1000}).requires_grad_());
  tutti::dist::GradientSync sync(parameters, world, {.bucket_mb = 0.004, .overlap = "on"});
  sync.zero();
  sync.begin(true);
  at::Tensor sum = at::zeros({});
  for (const at::Tensor& p : parameters) sum = sum + p.sum();
  if (world.rank() == 0) {
    sum.register_hook([](const at::Tensor&) -> at::Tensor {
      say_failing_now();
      throw std::runtime_error("in backward");
    });
  }
  sum.backward();
  sync.finish();
}

void run(const std::string& way, tutti::dist::Environment& environment) {
  const Communicator world = environment.world();
  const bool culprit = world.rank() == world.size() - 1;
  if (culprit && (way == "throw" || way == "abort")) say_failing_now();
  if (way == "throw" && culprit) throw std::runtime_error("on one rank");
  if (way == "abort" && culprit) environment.abort(76);
  if (way == "backward") fail_in_backward(world);
  // A rank that throws with a collective under way on its own communication thread.
  if (way == "midway") {
    const std::vector<at::Tensor> parameters{at::zeros({1000}).requires_grad_()};
    tutti::dist::GradientSync sync(parameters, world, {.overlap = "on"});
    sync.begin(true);
    if (culprit) {
      std::this_thread::sleep_for(std::chrono::seconds(3600));
    } else {
      parameters[0].sum().backward();
      say_failing_now();
      throw std::runtime_error("while a reduction waits for another rank");
    }
  }
  // A rank that computes for ever, of some of the job's ranks; the others hang in their second collective.
  if (way == "late") {
    environment.set_hang_limit(1);
    const Communicator odd = world.split(world.rank() % 2, world.rank());
    odd.barrier();
    if (culprit) {
      say_failing_now();
      std::this_thread::sleep_for(std::chrono::seconds(3600));
    }
    odd.barrier();
  }
  world.barrier();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    tutti::dist::Environment environment(argc, argv,
                                         [](std::string_view message) { std::cerr << message << std::endl; });
    run(argc > 1 ? argv[1] : "", environment);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
