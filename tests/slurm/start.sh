#!/bin/bash
# A Slurm cluster of two virtual nodes on this machine: start.sh FOLDER, later stop.sh FOLDER.
# As root, without systemd. Debian: apt-get install -y slurmctld slurmd slurm-client munge
set -euo pipefail
folder=$(realpath -m "$1")
conf=/etc/slurm/slurm.conf # slurmd's own children look nowhere else
mark="# made by tokwatt's tests/slurm/start.sh"
if [ -e "$conf" ] && ! grep -qxF "$mark" "$conf"; then
    echo "$conf: this machine already belongs to a Slurm cluster, so none is started here." >&2
    exit 1
fi
mkdir -p "$folder"/{state,node1,node2,log} /run/munge
chown munge: /run/munge

if ! munge -n >"$folder/munge.out" 2>&1; then
    [ -s /etc/munge/munge.key ] || mungekey --create --keyfile=/etc/munge/munge.key
    runuser -u munge -- /usr/sbin/munged --force --pid-file=/run/munge/tokwatt.pid --log-file=/run/munge/tokwatt.log
fi

cat >"$conf" <<CONF
$mark
ClusterName=tokwatt
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=3600
ReturnToService=2
MailProg=/bin/true
MpiDefault=none
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/%n.log
NodeName=node1 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=16818 CPUs=$(nproc) RealMemory=4000
NodeName=node2 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=16819 CPUs=$(nproc) RealMemory=4000
PartitionName=both Nodes=node1,node2 Default=YES State=UP
CONF

slurmctld -c
slurmd -N node1
slurmd -N node2
for _ in $(seq 100); do
    if [ "$(sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | wc -l)" -eq 2 ]; then exit 0; fi
    sleep 0.2
done
sinfo --Node --long >&2 || true
tail -n 5 "$folder"/log/*.log >&2 || true
exit 1
