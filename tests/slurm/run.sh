#!/usr/bin/env bash
# run.sh FOLDER NODES CPUS COMMAND...: cluster.sh for tests. Where there can be no cluster, the test is skipped (77),
# or fails where TUTTI_REQUIRED has the word slurm.
"$(dirname "$0")/cluster.sh" "$1/cluster" "${@:2}"
code=$?
if [ $code = 77 ] && [[ " ${TUTTI_REQUIRED:-} " = *" slurm "* ]]; then
  echo "run.sh: TUTTI_REQUIRED has the word slurm, so this is a failure" >&2
  exit 1
fi
exit $code
