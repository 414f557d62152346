#!/usr/bin/env bash
# quickstart.sh [rime|tone]: from a fresh Debian 12 to a trained and evaluated audio transformer.
#
# Installs what is missing, builds, fetches 2,358 recorded Mandarin syllables, shards them and trains on
# 2 MPI ranks, and evaluates the best checkpoint on syllables that were not trained on. Run again, it
# repeats nothing that is done.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/steps.sh
steps_name=quickstart.sh steps_total=6
trap give_back_to_user EXIT

# The baseline is logistic regression on statistics of log-mel spectrograms, on the same split.
task=${1:-rime}
case $task in
  rime) baseline=54.3 ;;
  tone) baseline=96.9 ;;
  *) printf 'quickstart.sh: unknown task %s. Usage: tools/quickstart.sh [rime|tone]\n' "$task" >&2; exit 2 ;;
esac
tutti=build/release/tutti
recordings=data-cache/gcin
run_folder=runs/$task

fetch_recordings() {
  local hint="Fetch the Debian package gcin-voice by other means, and unpack its folder usr/share/gcin-voice/ogg as $recordings/ogg."
  command -v apt-get >/dev/null || fail "there is no apt-get here. $hint"
  rm -rf $recordings/fetching
  mkdir -p $recordings/fetching
  if ! download_package >/dev/null 2>&1; then
    echo "apt does not know gcin-voice yet: apt-get update"
    as_root apt-get update -qq || fail "apt needs its package lists to fetch gcin-voice. $hint"
    download_package || fail "apt-get could not download gcin-voice. $hint"
  fi
  run dpkg -x $recordings/fetching/gcin-voice_*.deb $recordings/fetching
  cp $recordings/fetching/usr/share/doc/gcin-voice/copyright $recordings/
  mv $recordings/fetching/usr/share/gcin-voice/ogg $recordings/ogg
  rm -rf $recordings/fetching
}

# As root, apt would fetch as the user _apt, who may not write here.
download_package() (
  cd $recordings/fetching && apt-get download -qq -o APT::Sandbox::User=root gcin-voice
)

step "what tutti needs: tools/setup.sh"
run tools/setup.sh

step "building $tutti (some minutes the first time)"
run_quietly build/configure.log cmake --preset release
run cmake --build --preset release --target tutti

step "recordings of Mandarin syllables (Debian package gcin-voice, 7.7 MB)"
if [ -d $recordings/ogg ]; then echo "there: $recordings/ogg"; else fetch_recordings; fi
run python3 tools/gcin_voice.py $recordings

step "shards of spectrograms, by 2 MPI ranks"
run $tutti launch -n 2 -- shard "recipes/gcin/${task}_shards.toml"

step "training on 2 MPI ranks"
run $tutti launch -n 2 -- train "recipes/gcin/$task.toml" --output "$run_folder"

step "evaluating the best checkpoint on test syllables"
run $tutti evaluate "$run_folder" --fold test --json >"$run_folder/test.json"
end_step

accuracy=$(python3 -c '
import json, sys
print("%.1f" % (100 * json.loads(sys.stdin.readline())["accuracy"]))' <"$run_folder/test.json") \
  || fail "$run_folder/test.json holds no accuracy"
printf '\n%s: test accuracy %s%% (baseline %s%%)\n' "$task" "$accuracy" "$baseline"
printf 'run: %s (all in %d s)\n' "$PWD/$run_folder" $SECONDS
