#include "data/batch.h"

namespace tutti::data {

Batch slice(const Batch& batch, std::int64_t begin, std::int64_t end) {
  const auto rows = [&](const at::Tensor& all) { return all.defined() ? all.slice(0, begin, end) : all; };
  Batch part{.input = rows(batch.input),
             .length = rows(batch.length),
             .partner = rows(batch.partner),
             .partner_length = rows(batch.partner_length),
             .target = rows(batch.target),
             .weight = rows(batch.weight),
             .positions = rows(batch.positions),
             .groups = rows(batch.groups),
             .draws = {}};
  if (!batch.draws.empty()) part.draws.assign(batch.draws.begin() + begin, batch.draws.begin() + end);
  return part;
}

}  // namespace tutti::data
