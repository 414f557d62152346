#!/usr/bin/env bash
# tools/check_layers.sh finds each kind of forbidden include, on a small tree of its own.
set -euo pipefail
check=$(cd "$(dirname "$0")/../../tools" && pwd)/check_layers.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree"/{base,dist,data,models,recipes,launcher}

# expect RESULT FILE LINE...: with only these lines in FILE, the check ends with RESULT (0 or 1).
expect() {
  local result=$1 file=$2 code=0
  shift 2
  printf '%s\n' "$@" >"$tree/$file"
  "$check" "$tree" >"$tree/out" 2>&1 || code=$?
  [ $code = "$result" ] || { printf 'expected %s for %s with: %s\nbut got %s:\n' "$result" "$file" "$*" $code; cat "$tree/out"; exit 1; }
  rm "$tree/$file"
}

expect 0 data/a.cc '#include <vector>' '#include <ATen/ops/log.h>' '#include "data/a.h"' '#include "base/error.h"'
expect 1 data/a.cc '#include "dist/communicator.h"'
expect 1 data/a.cc '#include "models/model.h"'
expect 1 data/a.cc '#include <torch/torch.h>'
expect 1 data/a.cc '#include <ATen/ATen.h>'
expect 1 dist/a.h '#include <torch/nn.h>'
expect 0 dist/a.h '#include <torch/csrc/autograd/variable.h>' '#include <mpi.h>'
expect 1 base/a.h '#include <ATen/core/Tensor.h>'
expect 1 models/a.cc '  #  include "data/batch.h"'
expect 1 recipes/a.cc '#include <mpi.h>'
expect 1 recipes/a.cc '#include "launcher/main.h"'
expect 1 launcher/a.cc '#include <unknown/library.h>'

# What a reader includes counts too.
printf '#include <ATen/core/Tensor.h>\n' >"$tree/models/model.h"
expect 1 models/safetensors.cc '#include "models/model.h"'
expect 0 models/weights.cc '#include "models/model.h"'
