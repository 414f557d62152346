#!/usr/bin/env bash
# run.sh FOLDER NODES CPUS COMMAND...: cluster.sh for tests. Where there can be no cluster, the test is skipped (77),
# or fails where TUTTI_SLURM_TESTS=required.
"$(dirname "$0")/cluster.sh" "$1/cluster" "${@:2}"
code=$?
if [ $code = 77 ] && [ "${TUTTI_SLURM_TESTS:-}" = required ]; then
  echo "run.sh: TUTTI_SLURM_TESTS=required, so this is a failure" >&2
  exit 1
fi
exit $code
