#include "dist/buckets.h"

namespace tutti::dist {

std::vector<Bucket> plan_buckets(std::span<const std::int64_t> offsets, std::int64_t first_limit,
                                 std::int64_t limit) {
  std::vector<Bucket> buckets;
  for (std::size_t parameter = offsets.size() - 1; parameter-- > 0;) {
    const std::int64_t begin = offsets[parameter];
    const std::int64_t end = offsets[parameter + 1];
    const std::int64_t allowed = buckets.size() <= 1 ? first_limit : limit;
    if (buckets.empty() || buckets.back().end - begin > allowed) {
      buckets.push_back({begin, end, parameter, parameter + 1});
    } else {
      buckets.back().begin = begin;
      buckets.back().first = parameter;
    }
  }
  return buckets;
}

}  // namespace tutti::dist
