#pragma once
// A counter-based random generator: what it yields is a function of its key and of how many numbers
// were drawn, and of nothing else. So a decision about one sample can be made by any rank, in any
// order, and again after a restart.

#include <array>
#include <cstdint>

namespace tutti {

// Four random words from a 128-bit counter and a 64-bit key: Philox4x32-10 (Salmon et al. 2011,
// "Parallel random numbers: as easy as 1, 2, 3", section 4.3).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key);

// A well-mixed 64-bit key from several numbers (a seed, an epoch, a position, ...), by the
// splitmix64 finaliser (Steele et al. 2014).
std::uint64_t mix_key(std::uint64_t a, std::uint64_t b);

class CounterRng {
 public:
  explicit CounterRng(std::uint64_t key, std::uint64_t stream = 0) : key_(key), stream_(stream) {}

  std::uint32_t word();                        // 32 random bits
  double uniform();                            // [0, 1), 53 bits
  std::uint64_t integer(std::uint64_t count);  // [0, count), without bias; count > 0
  double normal();                             // mean 0, variance 1 (Box-Muller)
  double gamma(double shape);                  // scale 1; shape > 0 (Marsaglia and Tsang 2000)
  double beta(double a, double b);             // (0, 1)

 private:
  std::uint64_t key_;
  std::uint64_t stream_;
  std::uint64_t block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  unsigned used_ = 4;
};

}  // namespace tutti
