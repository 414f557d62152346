#pragma once
// Weights for drawing clips so that rare classes come as often as common ones.

#include <span>
#include <vector>

#include "data/example.h"
#include "data/shard_set.h"

namespace tutti::data {

// AST's (egs/audioset/gen_weight_file.py): of a class 1000 / (count + 0.01), where count is how many of these
// examples carry it; of an example the sum over its labels. Throws Error that names the first clip without
// labels, and how many there are.
std::vector<double> class_balanced_weights(const ShardSet& shards, std::span<const Example> examples);

}  // namespace tutti::data
