#!/usr/bin/env bash
# job_ends.sh RANKS CODE PROGRAM WAY [WORDS]: PROGRAM (failing_job) on RANKS ranks ends with exit code CODE, and
# within 10 s of the failure that it announces (every way but 'well'). Its output matches WORDS, a regular
# expression. RANKS 0: without mpirun.
set -uo pipefail
ranks=$1 code=$2 program=$3 way=$4 words=${5:-}
output=$(mktemp)
trap 'rm -f "$output"' EXIT
if [ "$ranks" = 0 ]; then
  "$program" "$way" >"$output" 2>&1
else
  "$(dirname "$0")/../run_ranks.sh" "$ranks" "$program" "$way" >"$output" 2>&1
fi
got=$?
end=$(date +%s%3N)
cat "$output"
[ "$got" = "$code" ] || { echo "job_ends: '$way' on $ranks ranks ended with $got, not $code" >&2; exit 1; }
[ -z "$words" ] || grep -qE "$words" "$output" || { echo "job_ends: '$way' on $ranks ranks did not say '$words'" >&2; exit 1; }
[ "$way" = well ] && exit 0
failing=$(sed -n 's/.*failing_at_ms \([0-9]*\).*/\1/p' "$output" | head -n 1)
[ -n "$failing" ] || { echo "job_ends: '$way' announced no failure" >&2; exit 1; }
echo "job_ends: '$way' on $ranks ranks ended with $got, $((end - failing)) ms after the failure"
[ $((end - failing)) -lt 10000 ] || { echo "job_ends: it should end within 10 s" >&2; exit 1; }
