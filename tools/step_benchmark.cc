// Seconds of one AST training step: forward, backward, gradient sum over the ranks, AdamW.
//
//   tests/run_ranks.sh 2 build/release/tools/step_benchmark tiny 1024 2
//
// Arguments: size, frames, clips of a rank. tools/step_benchmark.py takes the same step with PyTorch's
// DistributedDataParallel, and tools/step_benchmark.sh runs the two in turn.

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "dist/environment.h"
#include "dist/gradient_sync.h"
#include "models/registry.h"
#include "recipes/loss.h"
#include "recipes/optimizer.h"
#include "recipes/session.h"

int main(int argc, char** argv) {
  using namespace tutti;
  dist::Environment environment(argc, argv);
  if (argc != 4) {
    std::cerr << "usage: step_benchmark tiny|small|base FRAMES CLIPS\n";
    return 2;
  }
  const std::int64_t clips = std::atoll(argv[3]);
  const auto world = environment.world();
  const auto session = recipes::open_session(world, "auto", 0, {});

  models::ModelOptions options;
  options.classes = 527;
  options.frames = std::atoll(argv[2]);
  options.mels = 128;
  options.ast.size = argv[1];
  const auto model = models::find("ast").build(options, 1);
  model->to(session.device);
  recipes::Optimizer optimizer(*model, {}, {});
  dist::GradientSync gradients(optimizer.parameters(), session.peers);
  const auto input = torch::randn({clips, options.frames, options.mels}, session.device);
  const auto target = torch::zeros({clips, options.classes}, session.device);
  const auto weight = torch::ones({clips, 1}, session.device);

  std::vector<double> seconds;
  for (int step = 0; step < 6; ++step) {
    world.barrier();
    const auto start = std::chrono::steady_clock::now();
    gradients.zero();
    gradients.begin(/*synchronise=*/true);
    const auto loss = recipes::evaluate_loss({"bce", 0.0}, model->forward(input, {}), target, weight);
    loss.sum.backward();
    gradients.finish();
    gradients.flat().div_(static_cast<double>(clips * world.size() * options.classes));
    optimizer.step(1e-4);
    model->parameters().front().sum().item<float>();  // waits for a GPU
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (step > 0) seconds.push_back(elapsed.count());
  }
  std::ranges::sort(seconds);
  if (world.rank() == 0) {
    std::cout << "tutti    AST-" << argv[1] << ' ' << options.frames << " frames, " << world.size() << " x "
              << clips << " clips: " << seconds[seconds.size() / 2] << " s a step (median of "
              << seconds.size() << ")\n";
  }
  return 0;
}
