#!/usr/bin/env bash
# job_ends.sh RANKS CODE PROGRAM WAY: PROGRAM (failing_job) on RANKS ranks ends within 10 s and with exit
# code CODE. RANKS 0: without mpirun.
set -uo pipefail
ranks=$1 code=$2 program=$3 way=$4
start=$(date +%s%N)
if [ "$ranks" = 0 ]; then
  "$program" "$way"
else
  "$(dirname "$0")/../run_ranks.sh" "$ranks" "$program" "$way"
fi
got=$?
milliseconds=$((($(date +%s%N) - start) / 1000000))
echo "job_ends: '$way' on $ranks ranks ended with $got after $milliseconds ms"
[ "$got" = "$code" ] || { echo "job_ends: the exit code should be $code" >&2; exit 1; }
[ "$milliseconds" -lt 10000 ] || { echo "job_ends: it should end within 10 s" >&2; exit 1; }
