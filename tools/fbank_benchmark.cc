// fbank_benchmark WAVES.safetensors OUT.safetensors: the filter bank of each waveform (float32, 16 kHz) with
// AST's settings, and, of the one named "speed", how many clips of its length a second on one thread.
// tools/fbank_benchmark.py makes the waveforms and compares.

#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <limits>

#include "data/fbank.h"
#include "models/weights.h"

namespace {

using Clock = std::chrono::steady_clock;
using tutti::data::Fbank;

constexpr int kRounds = 30;

double best_seconds(const Fbank& fbank, const at::Tensor& wave_BS) {
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    const at::Tensor features = fbank(wave_BS);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fputs("usage: fbank_benchmark WAVES.safetensors OUT.safetensors\n", stderr);
    return 2;
  }
  at::set_num_threads(1);
  const Fbank fbank{tutti::data::FeatureOptions{}};
  std::vector<tutti::models::NamedTensor> features;
  const tutti::models::Weights waves = tutti::models::load_tensors(argv[1]);
  for (const auto& [name, wave] : waves.tensors) {
    const at::Tensor wave_BS = wave.reshape({1, -1});
    features.push_back({name, fbank(wave_BS).squeeze(0)});
    if (name == "speed") std::printf("%.1f\n", 1 / best_seconds(fbank, wave_BS));
  }
  tutti::models::save_tensors(argv[2], features, {});
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "fbank_benchmark: %s\n", error.what());
  return 1;
}
