#include "data/class_balance.h"

#include <cstdint>
#include <string>

#include "base/error.h"
#include "data/catalog.h"

namespace tutti::data {

std::vector<double> class_balanced_weights(const ShardSet& shards, std::span<const Example> examples) {
  std::vector<std::int64_t> count(shards.classes().size());
  std::vector<std::int64_t> without;  // records
  for (const auto& example : examples) {
    const auto labels = shards.labels(example.record);
    if (labels.empty()) without.push_back(example.record);
    for (const auto& label : labels) ++count[static_cast<std::size_t>(label.index)];
  }
  if (!without.empty()) {
    throw Error(text("'", shards.folder().native(), "' cannot be sampled by class"),
                text(without.size(), " of ", examples.size(), " clips have no label, as '",
                     std::string(shards.key(without.front())), "'"),
                "Say data.sampling = \"shuffle\", or label them.");
  }
  std::vector<double> weights;
  weights.reserve(examples.size());
  for (const auto& example : examples) {
    double weight = 0;
    for (const auto& label : shards.labels(example.record))
      weight += 1000 / (static_cast<double>(count[static_cast<std::size_t>(label.index)]) + 0.01);
    weights.push_back(weight);
  }
  return weights;
}

}  // namespace tutti::data
