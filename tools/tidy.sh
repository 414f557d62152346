#!/usr/bin/env bash
# tidy.sh BUILD [BASE]: clang-tidy on the sources that changed since the commit BASE (default: where this
# branch left origin/main, else the last 10 commits), with the compile commands of the folder BUILD. Within
# TIDY_MINUTES (10); what was not reached by then is named, and is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
export TIDY_DATABASE=$build/tidy
export TIDY_DEADLINE=$(($(date +%s) + 60 * ${TIDY_MINUTES:-10}))

# Whoever unpacked the sources may be another user: that is no danger to a diff.
in_git() { git -c safe.directory='*' "$@"; }
if ! in_git rev-parse -q --verify HEAD >/dev/null; then echo "tidy: no git history here, nothing to compare with"; exit 0; fi
head=$(in_git rev-parse HEAD)
base=${2:-$(in_git merge-base origin/main HEAD 2>/dev/null || true)}
if [ -z "$base" ] || [ "$base" = "$head" ]; then
  base=$(in_git rev-parse -q --verify HEAD~10 || git hash-object -t tree /dev/null)
fi

# The commands without the precompiled header, which is for GCC: each source includes what it uses. And without
# -Werror: GCC sees to warnings, and Clang has others (std::stable_sort of libstdc++ 12 is deprecated to it).
mkdir -p "$TIDY_DATABASE"
# git diff writes the index anew, under sudo as root's: a copy will do.
cp "$(in_git rev-parse --git-path index)" "$TIDY_DATABASE/index"
GIT_INDEX_FILE=$TIDY_DATABASE/index in_git diff --name-only --diff-filter=d "$base" >"$TIDY_DATABASE/changed"
python3 - "$build/compile_commands.json" "$TIDY_DATABASE" >"$TIDY_DATABASE/sources" <<'PYTHON'
import json, os, re, sys
commands, folder = sys.argv[1:]
entries = json.load(open(commands))
for entry in entries:
    entry["command"] = re.sub(r" -Winvalid-pch -include \S+| -fpch-preprocess| -Werror", "", entry["command"])
json.dump(entries, open(os.path.join(folder, "compile_commands.json"), "w"))
# A header is checked with the source of its name.
changed = {os.path.splitext(os.path.abspath(line.strip()))[0] for line in open(os.path.join(folder, "changed"))}
for path in sorted({entry["file"] for entry in entries}):
    if os.path.splitext(path)[0] in changed:
        print(os.path.relpath(path))
PYTHON
mapfile -t sources <"$TIDY_DATABASE/sources"
echo "tidy: ${#sources[@]} sources changed since ${base:0:10}"
[ ${#sources[@]} -gt 0 ] || exit 0

check() {
  local left=$((TIDY_DEADLINE - $(date +%s))) code=0
  if [ $left -gt 0 ]; then timeout $left clang-tidy-19 -p "$TIDY_DATABASE" --quiet "$1" 2>/dev/null || code=$?; fi
  if [ $left -le 0 ] || [ $code = 124 ]; then echo "tidy: no time left for $1"; return 0; fi
  return $code
}
export -f check
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'check "$0"' || {
  echo "tidy: findings (above), by the rules of .clang-tidy" >&2
  exit 1
}
