#!/usr/bin/env bash
# node.sh FOLDER NAME CPUS: a node of the cluster that cluster.sh describes, until it is killed. Runs on ctl.
# FOLDER/NAME.pid holds the process whose end is the node's.
set -euo pipefail
folder=$1 name=$2 cpus=$3
number=${name#n}
here=$(cd "$(dirname "$0")" && pwd)

if [ "${TUTTI_CLUSTER_HOST:-}" != "$name" ]; then
  # The first process of the namespace is this script again; it waits for its cable. This one must stay its
  # parent: --kill-child ends the node with it.
  TUTTI_CLUSTER_HOST=$name unshare --fork --kill-child --pid --mount-proc --net --uts \
    --mount --propagation "$TUTTI_PROPAGATION" "$here/node.sh" "$@" &
  node=$!
  until [ "$(readlink /proc/$node/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  ip link add "v$number" type veth peer name eth0 netns "$node"
  ip link set "v$number" master bridge up
  echo "$node" >"$folder/$name.pid"
  wait "$node"
  exit
fi

hostname "$name"
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.01; done
ip address add "10.77.0.$number/24" dev eth0
ip link set eth0 up
mkdir -p "/run/slurm/spool.$name" "/run/slurm/tmp.$name"
cd /
# Not exec: a shell as the first process buries the processes that nobody waits for.
slurmd -D -N "$name" </dev/null >/dev/null 2>"$folder/slurmd.$name.err"
exit
