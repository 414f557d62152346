# Sourced by the batch scripts: runs the ranks, asks them to save before the time is up, and puts the job back into
# the queue until the work is done. slurm/README.md says how.

source "$TUTTI_SLURM/site.sh"

restart=${SLURM_RESTART_COUNT:-0}  # SLURM counts every way back into the queue
max_restarts=${TUTTI_MAX_RESTARTS:-20}
ranks=                             # the process of srun or mpirun
signalled=
ranks_log=${TUTTI_LOGS:-logs}/$SLURM_JOB_NAME-$SLURM_JOB_ID.$restart.log

say() { echo "$(date '+%F %T') job $SLURM_JOB_ID, start $restart: $*"; }

# srun and mpirun pass USR1 on to every rank.
ask_to_stop() {
  signalled=$1
  say "got $1: asking the ranks to save and stop"
  if [ -n "$ranks" ]; then kill -USR1 "$ranks" 2>/dev/null || true; fi
}

# A job that SLURM is taking back, or that someone cancelled, is not ours to put into the queue.
is_running() { [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)" = RUNNING ]; }

requeue() {
  if [ "$restart" -ge "$max_restarts" ]; then
    say "that was restart $restart of at most $max_restarts: giving up. Submit again to go on"
  elif ! is_running; then
    say "SLURM is ending the job; what becomes of it is SLURM's decision"
  else
    say "back into the queue"
    trap '' TERM  # which requeueing sends
    scontrol requeue "$SLURM_JOB_ID" || say "could not be requeued. Submit again to go on"
  fi
}

# run_job SUBCOMMAND ARGUMENTS...: tutti on all ranks of the job; the script ends with its exit code.
run_job() {
  local code=0
  mkdir -p "$(dirname "$ranks_log")"
  trap 'ask_to_stop USR1' USR1
  trap 'ask_to_stop TERM' TERM
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
  say "$SLURM_NTASKS ranks on $SLURM_JOB_NODELIST; their output: $ranks_log"
  start_ranks "$TUTTI" "$@" >>"$ranks_log" 2>&1 &
  ranks=$!
  wait "$ranks" || code=$?
  while [ -n "$signalled" ]; do  # a signal ends `wait`, not the ranks
    signalled=
    code=0
    wait "$ranks" || code=$?
  done
  say "tutti $1 ended with $code"
  case $code in
    0 | 1 | 2) ;;  # done, failed, bad usage: another start would end the same way
    *) requeue ;;  # 75: saved; 76: a rank hung or vanished; above 128: killed, or lost a node
  esac
  exit "$code"
}
