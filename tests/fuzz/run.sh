#!/usr/bin/env bash
# run.sh TARGET [SECONDS]: builds tests/fuzz/TARGET.cc with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer
# in build/fuzz, and runs it for SECONDS (180) from the inputs of corpus/TARGET and of its earlier runs. New inputs go
# to build/fuzz/corpus/TARGET. A finding ends it with the input in build/fuzz/findings: mend the reader, and put
# the input, minimised (-minimize_crash=1), into corpus/TARGET, where CTest replays it.
#
# Needs Debian's clang-19 and libclang-rt-19-dev besides what tools/setup.sh installs.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:-}
seconds=${2:-180}
if [ ! -e "tests/fuzz/corpus/$target" ] || [ -z "$target" ]; then
  printf 'usage: tests/fuzz/run.sh TARGET [SECONDS], where TARGET is one of\n%s\n' "$(ls tests/fuzz/corpus)" >&2
  exit 2
fi

mkdir -p "build/fuzz/corpus/$target" build/fuzz/findings
cmake --preset fuzz >build/configure-fuzz.log || { tail -n 20 build/configure-fuzz.log >&2; exit 1; }
cmake --build --preset fuzz --target "fuzz_$target"

# A small input that takes 10 s or 512 MB at once is a finding too. HDF5 1.10 leaks what it fails to open.
leaks=1
if [[ $target == shard* ]]; then leaks=0; fi
if [ -d /dev/shm ]; then export TMPDIR=/dev/shm; fi
export ASAN_OPTIONS=detect_leaks=$leaks UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
exec "build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=512 \
  -rss_limit_mb=4096 -max_len=32768 -len_control=20 -detect_leaks=$leaks -print_final_stats=1 \
  -artifact_prefix="build/fuzz/findings/$target-" "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target"
