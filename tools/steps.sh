# Sourced by quickstart.sh and test.sh: numbered steps with their seconds, and the step and the command
# that failed. The script sets `steps_name` and `steps_total` before its first step.

# Nothing is written beside the sources: under sudo it would be root's.
export PYTHONDONTWRITEBYTECODE=1 GIT_OPTIONAL_LOCKS=0

step_number=0
step_title=""
step_start=0

# step TITLE: ends the step before, and says where we are.
step() {
  end_step
  step_number=$((step_number + 1))
  step_title="[$step_number/$steps_total] $1"
  step_start=$SECONDS
  printf '\n%s\n' "$step_title"
}

end_step() {
  if [ "$step_number" -gt 0 ]; then printf '%s: %d s\n' "$step_title" $((SECONDS - step_start)); fi
}

# fail REASON...: stops the script in the present step.
fail() {
  printf '\n%s: stopped in %s: %s\n' "$steps_name" "${step_title:-the beginning}" "$*" >&2
  exit 1
}

# run COMMAND...: stops with the command where it fails; what it printed stands above.
run() {
  "$@" || fail "'$*' ended with exit code $?. Its own message stands above; what is done is kept, so start again after a remedy."
}

# run_quietly LOG COMMAND...: the same, printing what the command said only where it fails.
run_quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || { local code=$?; tail -n 30 "$log" >&2; fail "'$*' ended with exit code $code (above: the end of $log)"; }
}

# as_root COMMAND...: needs root or sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else printf "'%s' needs root, and there is no sudo. Ask your administrator, or see docs/install.md.\n" "$*" >&2; return 1
  fi
}

# What sudo made here belongs to whoever called sudo, so that the next call works without it.
give_back_to_user() {
  if [ -n "${SUDO_UID:-}" ] && [ "$(id -u)" = 0 ]; then
    for path in .deps build data-cache runs; do
      if [ -e "$path" ]; then chown -R "$SUDO_UID:$SUDO_GID" "$path"; fi
    done
  fi
}
