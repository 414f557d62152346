#include "models/patch_masks.h"

#include <numeric>
#include <set>
#include <utility>

namespace tutti::models {

std::vector<std::int64_t> clustered_mask(PatchGrid grid, std::int64_t count, CounterRng rng) {
  const auto patches = grid.patches();
  const auto side = static_cast<std::int64_t>(3 + rng.integer(3));
  std::set<std::int64_t> covered;
  while (std::ssize(covered) <= count) {
    const auto start = static_cast<std::int64_t>(rng.integer(static_cast<std::uint64_t>(patches)));
    for (std::int64_t row = 0; row < side; ++row) {
      for (std::int64_t column = 0; column < side; ++column) {
        const auto patch = start + row * grid.frames + column;
        if (patch > 0 && patch < patches) covered.insert(patch);
      }
    }
  }
  auto end = covered.begin();
  std::advance(end, count);
  return {covered.begin(), end};
}

std::vector<std::int64_t> scattered_mask(std::int64_t patches, std::int64_t count, CounterRng rng) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(patches));
  std::iota(all.begin(), all.end(), 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)  // Fisher and Yates
    std::swap(all[i], all[i + rng.integer(all.size() - i)]);
  all.resize(static_cast<std::size_t>(count));
  return all;
}

}  // namespace tutti::models
