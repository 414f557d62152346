#pragma once
// The order of the data: a function of (seed, epoch, position) alone.

#include <cstdint>
#include <span>
#include <vector>

#include "data/example.h"

namespace tutti::data {

enum class Order { shuffled, sequential, weighted };

class Sampler {
 public:
  // Shuffled: each epoch is another permutation of the examples. Sequential: as given, every epoch.
  Sampler(std::vector<Example> examples, Order order, std::uint64_t seed = 0);

  std::int64_t size() const { return static_cast<std::int64_t>(examples_.size()); }

  // Weighted: each position is a draw of its own, with replacement; an example comes with a probability in
  // proportion to its weight, of which there is one for each, not negative and not all 0.
  Sampler(std::vector<Example> examples, std::span<const double> weights, std::uint64_t seed);

  // The example at a position of an epoch. Nothing is stored by epoch, so any position of any epoch costs
  // the same, from any thread.
  const Example& at(std::int64_t epoch, std::int64_t position) const;

  // As given to the constructor: what Draws::partner counts.
  const Example& example(std::int64_t index) const { return examples_[static_cast<std::size_t>(index)]; }

 private:
  std::vector<Example> examples_;
  std::vector<double> cumulative_;  // weights up to and with each example, where weighted
  Order order_;
  std::uint64_t seed_;
};

}  // namespace tutti::data
