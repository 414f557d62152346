#pragma once
// How the flat gradient buffer is cut into the pieces that travel.

#include <cstdint>
#include <span>
#include <vector>

namespace tutti::dist {

struct Bucket {
  std::int64_t begin = 0;  // elements [begin, end) of the flat buffer
  std::int64_t end = 0;
  std::size_t first = 0;  // parameters [first, last), whose gradients they are
  std::size_t last = 0;
};

// Buckets from the last parameter to the first, since backward reaches the last one first. `offsets` are
// where each parameter begins, and the end. A bucket is closed before it would exceed its limit (in
// elements): `first_limit` for the first bucket, small so that communication begins early, then `limit`;
// a parameter larger than that has a bucket to itself.
std::vector<Bucket> plan_buckets(std::span<const std::int64_t> offsets, std::int64_t first_limit,
                                 std::int64_t limit);

}  // namespace tutti::dist
