#pragma once
// Sample-rate conversion by soxr, quality "HQ" (20 bits, linear phase).

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tutti::data {

// The samples that n samples become: ceil(n * to / from).
std::int64_t resampled_count(std::int64_t n, std::int64_t from, std::int64_t to);

// The whole of a mono signal at another rate; rates are in Hz and positive.
std::vector<float> resample(std::span<const float> samples, std::int64_t from, std::int64_t to);

// The same in blocks, for signals that come in blocks.
class Resampler {
 public:
  Resampler(std::int64_t from, std::int64_t to);
  Resampler(Resampler&&) noexcept;
  Resampler& operator=(Resampler&&) noexcept;
  ~Resampler();

  // Takes a block and appends to `out` what is ready.
  void push(std::span<const float> block, std::vector<float>& out);

  // Appends the rest; all blocks together became resampled_count(all samples, from, to).
  void finish(std::vector<float>& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tutti::data
