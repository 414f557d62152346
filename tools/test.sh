#!/usr/bin/env bash
# test.sh [--full]: installs what is missing, builds, and runs all tests; what CI runs. The last lines are
# CTest's summary of the whole suite.
#
#   --full   also the tests that wait for minutes (of SLURM: time limits, preemption, lost nodes), those of several
#            ranks under the sanitizers, those of threads under ThreadSanitizer, and clang-tidy on every source
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/steps.sh
steps_name=test.sh
trap give_back_to_user EXIT
case "${1:-}" in
  "") full=false ;;
  --full) full=true ;;
  *) printf 'test.sh: unknown argument %s. Usage: tools/test.sh [--full]\n' "$1" >&2; exit 2 ;;
esac

build() {
  run_quietly "build/configure-$1.log" cmake --preset "$1"
  grep -h 'tutti: ' "build/configure-$1.log"
  run cmake --build --preset "$1"
  if command -v ccache >/dev/null; then ccache --print-stats | awk '
    /^(direct|preprocessed)_cache_hit|^cache_miss/ { n[$1] = $2 }
    END { print "ccache so far: " n["direct_cache_hit"] + n["preprocessed_cache_hit"] " hits, " n["cache_miss"] " misses" }'; fi
}

# What no test may be skipped for (tests/CMakeLists.txt). Where namespaces can be made, so can a SLURM cluster and mounts.
export TUTTI_REQUIRED=${TUTTI_REQUIRED-tensorboard$(! unshare --mount --pid --net --fork true 2>/dev/null || echo " slurm mount")}
tier=(--label-exclude full) cpu_tier=(--label-exclude 'full|slurm')  # jobs of SLURM are the same in both builds
if $full; then tier=() cpu_tier=(--label-exclude slurm); fi

# test_build PRESET CTEST_ARGUMENTS...: its output only where it fails. Tests of several ranks take both cores.
test_build() {
  local preset=$1
  shift
  run ctest --test-dir "build/$preset" -j "$(nproc)" --output-on-failure --no-tests=error "$@"
}

steps_total=8
step "what the tests need: tools/setup.sh --tests"
run tools/setup.sh --tests

step "layers and format"
run tools/check_layers.sh
git -c safe.directory='*' ls-files '*.h' '*.cc' | xargs clang-format-14 --dry-run -Werror \
  || fail "run clang-format-14 -i on the files above"

step "building build/release"
build release

if grep -q 'tutti: GPU build' build/configure-release.log; then
  step "building and testing build/cpu, without CUDA"
  build cpu
  test_build cpu "${cpu_tier[@]}"
else
  steps_total=$((steps_total - 1))
fi

step "building build/asan"
build asan

# LibTorch, Open MPI and their plug-ins keep memory until the end: leaks are not looked for.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
if $full; then
  step "all tests under AddressSanitizer and UndefinedBehaviorSanitizer"
  test_build asan --label-exclude slurm  # its deadlines are for the speed of the release build
  steps_total=$((steps_total + 1))
  step "tests of threads under ThreadSanitizer"
  run tools/tsan.sh
  step "clang-tidy on every source"
  TIDY_MINUTES=600 run tools/tidy.sh build/release "$(git hash-object -t tree /dev/null)"
else
  step "unit tests under AddressSanitizer and UndefinedBehaviorSanitizer"
  test_build asan --label-regex unit
  step "clang-tidy on what changed"
  TIDY_MINUTES=4 run tools/tidy.sh build/release
fi

step "all tests of build/release"
test_build release "${tier[@]}"
