#!/usr/bin/env bash
# run_ranks.sh N COMMAND...: COMMAND on N MPI ranks of this machine, on the loopback interface.
# Ends with the ranks' exit code.
set -euo pipefail
ranks=$1; shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
export PMIX_MCA_gds=hash OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec mpirun -n "$ranks" "$@"
