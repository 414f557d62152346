#!/usr/bin/env bash
# cluster.sh FOLDER NODES CPUS COMMAND...: runs COMMAND on the login host of a SLURM cluster that exists for as
# long, and ends with its exit code. FOLDER (made anew) gets the daemons' logs. Exit code 77: there can be no
# cluster here, and why. To look around:
#
#   tests/slurm/cluster.sh FOLDER 2 2 bash
#
# Hosts are namespaces: ctl (this command, slurmctld, munged) and n1, n2, ... (a slurmd each), every one with a
# host name, a network interface on one bridge, processes and /dev/shm of its own. /etc/slurm and /run are the
# cluster's own, so that srun and sbatch find it where any cluster's is. All processes live in one PID namespace
# whose first process is this script: when it ends, however it ends, the kernel ends them and takes down
# networks and mounts. `kill -9 $(cat FOLDER/n2.pid)` is the loss of a node; `node.sh FOLDER n2 CPUS &` brings it back.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin

if [ "${TUTTI_CLUSTER_HOST:-}" != ctl ]; then
  skip() { echo "cluster.sh: no SLURM cluster here: $*" >&2; exit 77; }
  [ "$(id -u)" = 0 ] || skip "it needs root"
  for program in munged slurmctld slurmd sbatch ip unshare; do
    command -v $program >/dev/null || skip "no $program (apt-get install slurm-wlm munge iproute2)"
  done
  # In a chroot / is no mount, so unshare cannot make it private; where no mount is shared it need not.
  export TUTTI_PROPAGATION=private
  if ! mountpoint -q / && ! grep -q ' shared:' /proc/self/mountinfo; then TUTTI_PROPAGATION=unchanged; fi
  namespaces=(unshare --fork --kill-child --pid --mount-proc --net --uts --mount --propagation "$TUTTI_PROPAGATION")
  reason=$("${namespaces[@]}" true 2>&1) || skip "namespaces are not allowed ($reason)"
  # The cluster ends with whoever started it, too.
  TUTTI_CLUSTER_HOST=ctl exec setpriv --pdeathsig KILL "${namespaces[@]}" "$here/cluster.sh" "$@"
fi

folder=$(realpath -m "$1") nodes=$2 cpus=$3
shift 3
rm -rf "$folder"
mkdir -p "$folder"

hostname ctl
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/slurm
{ echo "127.0.0.1 localhost"; echo "10.77.0.254 ctl"; for ((i = 1; i <= nodes; i++)); do echo "10.77.0.$i n$i"; done; } >/run/hosts
[ -e /etc/hosts ] || touch /etc/hosts  # a minimal Debian has none, and a mount needs its place
mount --bind /run/hosts /etc/hosts
# slurmd starts nowhere without these, though nothing here uses cgroups.
if ! mountpoint -q /sys/fs/cgroup; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd \
    || { echo "cluster.sh: no SLURM cluster here: there are no cgroups" >&2; exit 77; }
fi
ip link set lo up
ip link add bridge type bridge
ip address add 10.77.0.254/24 dev bridge
ip link set bridge up

# main and urgent share the nodes: a job in urgent takes the place of jobs in main, which go back to the queue.
# cred_expire: a job that is requeued waits until its credentials have expired, two minutes by default.
# TmpFS: the nodes share one file system, and PMIx's files of two nodes must not meet.
cat >/etc/slurm/slurm.conf <<END
ClusterName=tutti
SlurmctldHost=ctl(10.77.0.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation=/run/slurm/state
SlurmdSpoolDir=/run/slurm/spool.%n
TmpFS=/run/slurm/tmp.%n
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=1,sched_min_interval=0,defer_batch
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=5
SlurmctldTimeout=10
KillWait=10
MinJobAge=600
MessageTimeout=10
TCPTimeout=2
UnkillableStepTimeout=30
MailProg=/bin/true
PropagateResourceLimits=NONE
NodeName=n[1-$nodes] CPUs=$cpus Boards=1 SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=4096
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 OverSubscribe=NO
PartitionName=urgent Nodes=ALL PriorityTier=10 OverSubscribe=NO PreemptMode=OFF
END
mkdir -p -m 755 /run/munge /run/slurm/state
dd if=/dev/urandom of=/run/munge/key bs=1024 count=1 status=none
chmod 400 /run/munge/key
munged --force --key-file=/run/munge/key --pid-file=/run/munge/pid --seed-file=/run/munge/seed --log-file="$folder/munged.log"
slurmctld -D -c >/dev/null 2>"$folder/slurmctld.err" &
for ((i = 1; i <= nodes; i++)); do
  "$here/node.sh" "$folder" n$i "$cpus" &
done

idle_nodes() { sinfo --noheader --Node --partition=main --format=%t 2>/dev/null | grep -cx idle; }
for ((tries = 0; tries < 400; tries++)); do
  if [ "$(idle_nodes)" = "$nodes" ]; then break; fi
  if [ $tries = 399 ]; then
    tail -n 20 "$folder"/*.log "$folder"/*.err >&2
    echo "cluster.sh: not all of $nodes nodes came up in 20 s" >&2
    exit 1
  fi
  sleep 0.05
done
code=0
"$@" || code=$?
exit $code
