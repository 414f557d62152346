#!/usr/bin/env bash
# step_benchmark.sh PYTHON [SIZE FRAMES CLIPS [RANKS [ROUNDS]]]: one AST training step in tutti and in PyTorch DDP, in
# turn, and the ratio of the medians. PYTHON has torch and transformers (pip install torch==2.11.0 transformers).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:?usage: tools/step_benchmark.sh PYTHON [SIZE FRAMES CLIPS [RANKS [ROUNDS]]]}
size=${2:-tiny} frames=${3:-1024} clips=${4:-2} ranks=${5:-2} rounds=${6:-3}
threads=$(($(nproc) / ranks)); export OMP_NUM_THREADS=$((threads > 0 ? threads : 1))
for ((round = 0; round < rounds; ++round)); do
  tests/run_ranks.sh "$ranks" build/release/tools/step_benchmark "$size" "$frames" "$clips"
  tests/run_ranks.sh "$ranks" "$python" tools/step_benchmark.py "$size" "$frames" "$clips"
done | tee /dev/stderr | awk '
  { for (i = 1; i <= NF; ++i) if ($(i + 1) == "s" && $(i + 2) == "a") t[$1] = t[$1] " " $i }
  function median(list,   n, v, i, j, x) {
    n = split(list, v, " ")
    for (i = 1; i <= n; ++i) for (j = i + 1; j <= n; ++j) if (v[j] + 0 < v[i] + 0) { x = v[i]; v[i] = v[j]; v[j] = x }
    return v[int((n + 1) / 2)]
  }
  END { printf "PyTorch takes %.2f times as long as tutti\n", median(t["PyTorch"]) / median(t["tutti"]) }'
