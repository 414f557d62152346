# Sourced by the batch scripts: runs the ranks, asks them to save before the time is up, and puts the job back into
# the queue until the work is done. slurm/README.md says how.

source "$TUTTI_SLURM/site.sh"

restart=${SLURM_RESTART_COUNT:-0}  # SLURM counts every way back into the queue
max_restarts=${TUTTI_MAX_RESTARTS:-20}
ranks=                             # the process of srun or mpirun
signalled=                         # the last signal that asked the ranks to stop
asking=                            # the process that goes on asking
ranks_log=${TUTTI_LOGS:-logs}/$SLURM_JOB_NAME-$SLURM_JOB_ID.$restart.log

say() { echo "$(date '+%F %T') job $SLURM_JOB_ID, start $restart: $*"; }

# srun and mpirun pass USR1 on to every rank. Said again until they have ended: before its ranks run, mpirun loses it.
ask_to_stop() {
  say "got $1: asking the ranks to save and stop"
  signalled=$1
  if [ -z "$ranks" ] || [ -n "$asking" ]; then return; fi
  while kill -USR1 "$ranks" 2>/dev/null; do sleep 2; done &
  asking=$!
}

# A job that SLURM is taking back, or that someone cancelled, is not ours to put into the queue. Where slurmctld does
# not answer, nothing is known of that.
is_ending() {
  local state
  state=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T) || return 1
  [ "$state" != RUNNING ]
}

requeue() {
  if [ "$restart" -ge "$max_restarts" ]; then
    say "that was restart $restart of at most $max_restarts: giving up. Submit again to go on"
  elif is_ending; then
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
  if [ -n "$signalled" ]; then ask_to_stop "$signalled"; fi
  while  # a signal ends `wait`, not the ranks
    signalled=
    code=0
    wait "$ranks" || code=$?
    [ -n "$signalled" ]
  do :; done
  if [ -n "$asking" ]; then kill "$asking" 2>/dev/null || true; fi
  say "tutti $1 ended with $code"
  case $code in
    75 | 76 | 205) requeue ;;                                 # saved; a rank hung or vanished; a node was lost (mpirun)
    129 | 1[3-8][0-9] | 19[0-2]) requeue ;;                   # killed by a signal (128 + 1 to 64)
    *) ;;                                                     # done, or failed: another start would end the same way
  esac
  exit "$code"
}
