#!/usr/bin/env bash
# accept_gpus.sh [MAX_STEPS]: does tutti work on the GPUs of this node? For a node with at least two GPUs,
# after a GPU build (cmake --preset release; cmake --build --preset release).
#
#   1. The conformance suite and the gradient tests under mpirun on NCCL, with 1, 2, ... N ranks.
#   2. A short training (recipes/gcin/rime.toml, default 40 steps) on 1 and on N GPUs. The losses must agree
#      step by step: order and augmentation of the data do not depend on the number of ranks, only the
#      order of summation does.
#
# NCCL refuses two ranks on one GPU (up to 2.28 always), so no machine with one GPU can run this.
# Environment: TUTTI_BUILD (build/release), TUTTI_RECIPE, TUTTI_TOLERANCE (largest relative difference of
# a loss, 0.02: bf16 rounds differently when a batch is cut differently).
set -uo pipefail
cd "$(dirname "$0")/.."

build=${TUTTI_BUILD:-build/release}
recipe=${TUTTI_RECIPE:-recipes/gcin/rime.toml}
tolerance=${TUTTI_TOLERANCE:-0.02}
steps=${1:-40}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

say() { printf 'accept_gpus: %s\n' "$*"; }
die() { printf 'accept_gpus: FAILED: %s\n' "$*" >&2; exit 1; }
failed() { printf 'accept_gpus: FAILED: %s\n' "$*" >&2; failures=$((failures + 1)); }

command -v nvidia-smi >/dev/null || die "nvidia-smi is not here, so there is no NVIDIA driver; this needs a node with 2 or more GPUs"
gpus=$(nvidia-smi --list-gpus 2>/dev/null | grep -c '^GPU ')
if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
  gpus=$(tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | grep -c .)
fi
if [ "$gpus" -lt 2 ]; then
  die "$gpus GPU here, and 2 are needed: NCCL refuses two ranks on one GPU. On one GPU, ctest runs NCCL at one rank."
fi
[ -x "$build/tests/dist/dist_tests" ] && [ -x "$build/tutti" ] ||
  die "$build/tests/dist/dist_tests or $build/tutti is missing. Build first: cmake --preset release && cmake --build --preset release"
[ -e "$recipe" ] || die "$recipe is missing"
say "$gpus GPUs: $(nvidia-smi --query-gpu=name --format=csv,noheader | sort | uniq -c | sed 's/^ *//' | paste -sd, -)"

for ranks in $(seq 1 "$gpus"); do
  say "[1/2] NCCL on $ranks of $gpus GPUs"
  # TUTTI_REQUIRED: where the GPUs are, a skipped test is a failure.
  if TUTTI_REQUIRED=gpu tests/run_ranks.sh "$ranks" "$build/tests/dist/dist_tests" \
      '--gtest_filter=Backends/Conformance.*/nccl:Overlap/Gradients.*/stream' >"$work/nccl-$ranks.txt" 2>&1; then
    say "      $(grep -E '^\[  PASSED  \]' "$work/nccl-$ranks.txt")"
  else
    tail -n 40 "$work/nccl-$ranks.txt" >&2
    failed "the NCCL tests on $ranks ranks"
  fi
done

# train RANKS: the losses of a short training, one "step loss" a line, into $work/loss-RANKS
train() {
  tests/run_ranks.sh "$1" "$build/tutti" train "$recipe" --max-steps "$steps" --output "$work/run-$1" \
    >"$work/train-$1.txt" 2>&1 || { tail -n 20 "$work/train-$1.txt" >&2; return 1; }
  python3 - "$work/run-$1/metrics.jsonl" >"$work/loss-$1" <<'PYTHON'
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    if "lr" in row and "loss" in row:
        print(row["step"], row["loss"])
PYTHON
}

say "[2/2] training $recipe for $steps steps on 1 and on $gpus GPUs"
if train 1 && train "$gpus"; then
  python3 - "$work/loss-1" "$work/loss-$gpus" "$tolerance" <<'PYTHON' || failed "losses differ between 1 and $gpus GPUs"
import sys
one, many = (dict(line.split() for line in open(name)) for name in sys.argv[1:3])
if not one or one.keys() != many.keys():
    sys.exit(f"accept_gpus: {len(one)} steps were logged on one GPU, {len(many)} on several")
differences = {step: abs(float(one[step]) - float(many[step])) / abs(float(one[step])) for step in one}
worst = max(differences, key=differences.get)
print(f"accept_gpus:       {len(one)} losses; the largest relative difference is {differences[worst]:.2e}, at step "
      f"{worst} ({one[worst]} and {many[worst]}); allowed {sys.argv[3]}")
sys.exit(not differences[worst] <= float(sys.argv[3]))
PYTHON
else
  failed "the training did not run"
fi

[ "$failures" = 0 ] || die "$failures of the checks above"
say "all well on $gpus GPUs"
