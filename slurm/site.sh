# What is particular to a cluster: copy this folder, change this file. job.sh reads it at the start of every job.

# Modules and environment: what tutti was built with.
# module load gcc/12 openmpi/4.1 hdf5 cuda/13
# export OMPI_MCA_btl_tcp_if_include=ib0 NCCL_SOCKET_IFNAME=ib0

# The program; `tutti submit` names its own.
: "${TUTTI:=tutti}"

# srun, where `srun --mpi=list` shows pmix; otherwise mpirun. When SLURM takes a job back it sends TERM to everything
# in it. srun's ranks then have KillWait seconds (30 by default) to save; mpirun would kill them 2 s after TERM, but
# odls_base_sigkill_timeout 10 makes that 20, because mpirun waits so long twice. The price: after a rank has died, the
# others live on for as long.
: "${TUTTI_RANKS_BY:=srun}"

# --wait: ten seconds after the first rank has ended, srun ends the others. --kill-on-bad-exit would do so at once, also
# where the first of them has just saved a checkpoint and left with 75, and then the job's exit code is 143.
#
# Both pin every rank to the --cpus-per-task cores that sbatch asked for. GPUs are asked for by node and every
# rank sees all of its node's (--gpu-bind=none; tutti takes one for each): with --gpus-per-task a rank cannot see
# its neighbours' GPUs, and NCCL cannot use NVLink.
start_ranks() {
  local cores=${SLURM_CPUS_PER_TASK:-1}
  if [ "$TUTTI_RANKS_BY" = srun ]; then
    local gpus=()
    if [ -n "${SLURM_GPUS_ON_NODE:-}" ]; then gpus=(--gpu-bind=none); fi
    exec srun --mpi=pmix --kill-on-bad-exit=0 --wait=10 --cpus-per-task="$cores" --cpu-bind=cores \
      "${gpus[@]}" "$@"
  else
    exec mpirun -n "$SLURM_NTASKS" --map-by "slot:PE=$cores" --bind-to core --mca odls_base_sigkill_timeout 10 "$@"
  fi
}
