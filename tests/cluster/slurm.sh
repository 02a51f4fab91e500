#!/usr/bin/env bash
# A Slurm of one node on this machine, for tests: `slurm.sh start FOLDER`, `slurm.sh stop FOLDER`.
# FOLDER holds its configuration, state and logs. Where it can't be, a sentence says why, status 3.
set -euo pipefail

give_up() {
  echo "no Slurm here: $1"
  exit 3
}

# Daemons that this script has started, by their own pid files; nothing else is ended.
stop() {
  if [ -s "$folder/slurmctld.pid" ]; then
    timeout 10 scancel --user="$(id -un)" || true
    timeout 20 bash -c 'while [ -n "$(squeue --noheader)" ]; do sleep 0.5; done' || true
  fi
  for daemon in slurmd slurmctld munged; do
    file="$folder/$daemon.pid"
    if [ -s "$file" ]; then
      kill "$(cat "$file")" 2>/dev/null || true
      for _ in $(seq 50); do
        kill -0 "$(cat "$file" 2>/dev/null || echo 0)" 2>/dev/null || break
        sleep 0.1
      done
      rm -f "$file"
    fi
  done
  if [ "$(readlink /etc/slurm/slurm.conf || true)" = "$folder/slurm.conf" ]; then
    rm -f /etc/slurm/slurm.conf /etc/slurm/gres.conf
  fi
}

start() {
  [ "$(uname)" = Linux ] || give_up "it needs Linux"
  [ "$(id -u)" = 0 ] || give_up "starting its daemons needs root"
  if ! command -v slurmctld slurmd munged sbatch >/dev/null; then
    command -v apt-get >/dev/null || give_up "it is not installed, and there is no apt-get"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get install -y --no-install-recommends slurm-wlm munge ||
      { apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; }; } \
      >"$folder/apt.log" 2>&1 || give_up "apt-get could not install slurm-wlm and munge"
  fi
  [ ! -e /etc/slurm/slurm.conf ] || give_up "there is one, $(realpath /etc/slurm/slurm.conf)"
  host=$(hostname -s)
  mkdir -p "$folder/state" "$folder/spool" /etc/slurm
  cat >"$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobs.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
EnforcePartLimits=ALL
ReturnToService=2
MinJobAge=3600
KillWait=5
MpiDefault=none
SwitchType=switch/none
SchedulerParameters=sched_interval=5,batch_sched_delay=1
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:3 State=UNKNOWN
PartitionName=cpu Nodes=$host Default=YES MaxTime=600 State=UP
END
  # GPUs that are none, and more cores and memory than there may be, so that they can be asked for.
  printf 'Name=gpu File=%s\n' /dev/null /dev/zero /dev/full >"$folder/gres.conf"
  # Linked there, as jobs lose SLURM_CONF on their way.
  ln -s "$folder/slurm.conf" /etc/slurm/slurm.conf
  ln -s "$folder/gres.conf" /etc/slurm/gres.conf
  chown munge "$folder"
  setpriv --reuid=munge --regid=munge --clear-groups munged \
    --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
  slurmctld
  slurmd -N "$host"
  for _ in $(seq 100); do
    [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ] && return
    sleep 0.2
  done
  tail -n 5 "$folder"/*.log
  stop
  give_up "its node does not come up"
}

folder=$(realpath -m "${2:?slurm.sh start FOLDER or stop FOLDER}")
mkdir -p "$folder"
"$1"
