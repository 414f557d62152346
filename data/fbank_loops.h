#pragma once
// The filter bank's inner loops on a CPU: eight frames at a time, one to each lane of a vector register.

#include <cstdint>
#include <vector>

#include "data/fbank_definition.h"

namespace tutti::data {

// Log-mel energies of frames of samples. Every lane does the same operations in the same order, and none is
// fused: a frame's values are the same bits beside whatever frames it stands, and on every CPU.
class FbankLoops {
 public:
  explicit FbankLoops(const FbankDefinition& definition);

  // samples [(frames - 1) shift + window] to log-mel energies [frames, mels], floored at ln(2^-23).
  void operator()(const float* samples, std::int64_t frames, float* log_energies) const;

  struct Complex {
    double re, im;
  };
  // One butterfly's three factors of a radix-4 pass.
  struct Twiddles {
    Complex w1, w2, w3;
  };
  // The FFT bins that a mel bin hears, and where its weights start in `weights`.
  struct Filter {
    std::size_t first_bin, bins, first_weight;
  };
  struct Tables {
    std::size_t window, shift, fft_size, mels;
    std::vector<float> taper;
    std::vector<Twiddles> twiddles;     // pass after pass
    std::vector<std::size_t> position;  // where the FFT leaves frequency k
    std::vector<Complex> half_turns;    // exp(-2 pi i k / fft_size)
    std::vector<Filter> filters;
    std::vector<float> weights;
  };

 private:
  Tables tables_;
};

}  // namespace tutti::data
