#!/usr/bin/env bash
# A real SLURM of four nodes on this machine, to throw away: for the tests, and for a look at `--profile slurm`.
#   make slurm-up; . <(tests/slurm/cluster.sh env); sinfo; make slurm-down
# Loopback only, no systemd, no cgroups; each node claims 8 CPUs, 64 GB and four GPUs, which are null devices: SLURM
# hands them out (CUDA_VISIBLE_DEVICES), and nothing can compute on them. It needs root and Debian's slurm-wlm, munge.
# Partitions: cpu, gpu, and scavenge, whose jobs make way for gpu's.
#   usage: cluster.sh install|up|down|status|env | node-up N|node-down N | controller-up|controller-down
set -euo pipefail
FOLDER=${PREFDELTA_SLURM:-/tmp/prefdelta-slurm}
NODES=4
PORTS=${PREFDELTA_SLURM_PORTS:-17000} # the controller's; nodes have the next ones
HOST=$(hostname -s)
export SLURM_CONF=$FOLDER/etc/slurm.conf
PATH=$PATH:/usr/sbin:/sbin

fail() { echo "$*" >&2; exit 1; }
runs() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
stop() { # a daemon by its pid file
  runs "$1" || return 0
  local pid; pid=$(cat "$1"); kill "$pid"
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$pid"
}
wait_for() { # seconds, then what must become true
  local tries=$(($1 * 5)); shift
  for _ in $(seq "$tries"); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done
  fail "gave up waiting for: $* (logs: $FOLDER/log)"
}
all_idle() { [ "$(sinfo -h -N -p cpu -t idle -o %N | wc -l)" = $NODES ]; }

install() {
  if command -v slurmctld && command -v slurmd && command -v munged && command -v sbatch; then return; fi >/dev/null
  [ "$(id -u)" = 0 ] || fail "SLURM is not installed. As root: apt-get install --no-install-recommends slurm-wlm munge"
  command -v apt-get >/dev/null || fail "SLURM is not installed, and there is no apt-get: install slurm and munge"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends slurm-wlm munge >/dev/null
}

write_files() {
  mkdir -p "$FOLDER"/{etc,log,run,state,munge,dev}
  for n in $(seq $NODES); do mkdir -p "$FOLDER/spool.n$n"; done
  chmod 755 "$FOLDER" "$FOLDER"/*; chmod 700 "$FOLDER/munge"
  [ -s "$FOLDER/munge/key" ] || dd if=/dev/urandom of="$FOLDER/munge/key" bs=1024 count=1 status=none
  chmod 600 "$FOLDER/munge/key"
  # A GPU that is only a count is dropped without a word and its node is refused: it has to be a device. Any will do.
  for gpu in 0 1 2 3; do [ -c "$FOLDER/dev/gpu$gpu" ] || mknod "$FOLDER/dev/gpu$gpu" c 1 3; done
  echo "Name=gpu Type=h100 File=$FOLDER/dev/gpu[0-3]" > "$FOLDER/etc/gres.conf"
  cat > "$FOLDER/etc/slurm.conf" <<CONF
ClusterName=sandbox
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$PORTS
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is queued again waits as long as a credential is good, two minutes elsewhere.
AuthInfo=socket=$FOLDER/run/munge.sock,cred_expire=30
CredType=cred/munge
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool.%n
SlurmctldPidFile=$FOLDER/run/slurmctld.pid
SlurmdPidFile=$FOLDER/run/slurmd.%n.pid
SlurmctldLogFile=$FOLDER/log/slurmctld.log
SlurmdLogFile=$FOLDER/log/slurmd.%n.log
AccountingStorageType=accounting_storage/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
MpiDefault=none
SwitchType=switch/none
# Nodes that claim more than the machine has.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# Everything quickly: a cluster's own times are minutes.
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0,requeue_delay=1
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=15
KillWait=5
InactiveLimit=0
OverTimeLimit=0
MinJobAge=7200
JobRequeue=1
# Without this no job hears of its preemption before it.
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PreemptExemptTime=0
NodeName=n[1-$NODES] NodeHostname=$HOST NodeAddr=127.0.0.1 Port=[$((PORTS + 1))-$((PORTS + NODES))] CPUs=8 Sockets=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=65536 Gres=gpu:h100:4 State=UNKNOWN
PartitionName=cpu Nodes=n[1-$NODES] Default=YES MaxTime=24:00:00 DefMemPerCPU=512 PriorityTier=10 PreemptMode=OFF
PartitionName=gpu Nodes=n[1-$NODES] MaxTime=24:00:00 DefMemPerCPU=512 PriorityTier=10 PreemptMode=OFF
PartitionName=scavenge Nodes=n[1-$NODES] MaxTime=24:00:00 DefMemPerCPU=512 PriorityTier=0 PreemptMode=REQUEUE GraceTime=20
CONF
}

# Programs that SLURM starts itself look nowhere else, so a machine has one at a time.
link_configuration() {
  mkdir -p /etc/slurm
  local other; other=$(dirname "$(dirname "$(readlink /etc/slurm/slurm.conf || echo /)")")
  if runs "$other/run/slurmctld.pid"; then
    fail "a sandbox cluster is up in $other; to end it: PREFDELTA_SLURM=$other tests/slurm/cluster.sh down"
  fi
  for name in slurm.conf gres.conf; do
    local link=/etc/slurm/$name
    if [ -e "$link" ] && ! { [ -L "$link" ] && [ -f "$(dirname "$(readlink "$link")")/../munge/key" ]; }; then
      fail "$link exists: this machine has a SLURM of its own, which is left alone"
    fi
    ln -sfn "$FOLDER/etc/$name" "$link"
  done
}

up() {
  [ "$(id -u)" = 0 ] || fail "the sandbox cluster has to be started by root"
  command -v slurmctld >/dev/null || fail "SLURM is not installed: tests/slurm/cluster.sh install"
  if runs "$FOLDER/run/slurmctld.pid"; then fail "it is up already, in $FOLDER"; fi
  link_configuration
  write_files
  munged --force --key-file="$FOLDER/munge/key" --socket="$FOLDER/run/munge.sock" --pid-file="$FOLDER/run/munged.pid" \
    --log-file="$FOLDER/log/munged.log" --seed-file="$FOLDER/munge/seed" --num-threads=2
  slurmctld
  for n in $(seq $NODES); do slurmd -N "n$n"; done
  wait_for 30 all_idle
}

down() {
  if runs "$FOLDER/run/slurmctld.pid"; then scancel --quiet --user=root || true; fi
  for n in $(seq $NODES); do stop "$FOLDER/run/slurmd.n$n.pid"; done
  stop "$FOLDER/run/slurmctld.pid"
  stop "$FOLDER/run/munged.pid"
  for name in slurm.conf gres.conf; do
    if [ "$(readlink "/etc/slurm/$name")" = "$FOLDER/etc/$name" ]; then rm "/etc/slurm/$name"; fi
  done
  rm -rf "$FOLDER"
}

case "${1:-}" in
  install) install ;;
  up) up; sinfo -N -o '%8N %8t %5c %7m %G' | sort -u ;;
  down) down ;;
  status) for file in "$FOLDER"/run/*.pid; do runs "$file" && echo "up   $file" || echo "down $file"; done ;;
  env) echo "export SLURM_CONF=$SLURM_CONF" ;;
  node-up) slurmd -N "n$2" ;;
  node-down) stop "$FOLDER/run/slurmd.n$2.pid" ;;
  controller-up) slurmctld; wait_for 30 scontrol ping ;;
  controller-down) stop "$FOLDER/run/slurmctld.pid" ;;
  *) sed -n 's/^#   usage: //p' "$0"; exit 2 ;;
esac
