#!/usr/bin/env bash
# tsan.sh: the tests of threads (the loader; gradient sync and communicators on 1 and 2 ranks) under ThreadSanitizer,
# in build/tsan. tests/tsan.supp names what is not looked for.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
cmake --preset tsan >build/configure-tsan.log || { tail -n 20 build/configure-tsan.log >&2; exit 1; }
cmake --build --preset tsan --target data_tests dist_tests
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp"
ctest --test-dir build/tsan --output-on-failure --no-tests=error \
  -R '^(data_tests\.LoaderTest|dist_tests\.(Conformance|Communicator|Gradients|GradientLayout)\.ranks[12])$'
