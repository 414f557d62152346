#include "data/resample.h"

#include <soxr.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"

namespace tutti::data {
namespace {

void check(soxr_error_t error, std::int64_t from, std::int64_t to) {
  if (error != nullptr)
    throw Error(text("cannot resample from ", from, " to ", to, " Hz"), soxr_strerror(error));
}

}  // namespace

std::int64_t resampled_count(std::int64_t n, std::int64_t from, std::int64_t to) {
  return (n * to + from - 1) / from;
}

std::vector<float> resample(std::span<const float> samples, std::int64_t from, std::int64_t to) {
  std::vector<float> out;
  Resampler resampler(from, to);
  resampler.push(samples, out);
  resampler.finish(out);
  return out;
}

struct Resampler::State {
  State(std::int64_t from_rate, std::int64_t to_rate) : from(from_rate), to(to_rate) {
    const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    const soxr_runtime_spec_t runtime = soxr_runtime_spec(/*num_threads=*/1);
    soxr_error_t error = nullptr;
    soxr =
        soxr_create(static_cast<double>(from), static_cast<double>(to), 1, &error, &io, &quality, &runtime);
    check(error, from, to);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { soxr_delete(soxr); }

  // Feeds a block, or with an empty one ends the input, and appends all output that is ready, up to `most`.
  void process(std::span<const float> block, bool end, std::int64_t most, std::vector<float>& out) {
    std::array<float, 8192> buffer;
    for (;;) {
      std::size_t taken = 0, made = 0;
      check(soxr_process(soxr, end ? nullptr : block.data(), block.size(), &taken, buffer.data(),
                         buffer.size(), &made),
            from, to);
      block = block.subspan(taken);
      const std::int64_t wanted = std::min(static_cast<std::int64_t>(made), most - produced);
      out.insert(out.end(), buffer.begin(), buffer.begin() + wanted);
      produced += wanted;
      if (made < buffer.size() && block.empty()) return;
    }
  }

  std::int64_t from, to;
  std::int64_t consumed = 0, produced = 0;
  soxr_t soxr = nullptr;
};

Resampler::Resampler(std::int64_t from, std::int64_t to) : state_(std::make_unique<State>(from, to)) {}
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;
Resampler::~Resampler() = default;

void Resampler::push(std::span<const float> block, std::vector<float>& out) {
  if (block.empty()) return;
  state_->process(block, false, std::numeric_limits<std::int64_t>::max(), out);
  state_->consumed += static_cast<std::int64_t>(block.size());
}

void Resampler::finish(std::vector<float>& out) {
  // soxr rounds the length to the nearest; two output samples' worth of silence makes it long enough
  // for the ceiling, and the cut is where silence would follow anyway.
  const std::int64_t count = resampled_count(state_->consumed, state_->from, state_->to);
  const std::vector<float> silence(static_cast<std::size_t>(2 + 2 * state_->from / state_->to));
  state_->process(silence, false, count, out);
  state_->process({}, true, count, out);
}

}  // namespace tutti::data
