#!/bin/bash
# Stop what start.sh FOLDER started, and take its configuration away.
set -uo pipefail
folder=$(realpath -m "$1")
conf=/etc/slurm/slurm.conf
grep -qsF "StateSaveLocation=$folder/state" "$conf" || exit 0
timeout -k 5 20 scancel --user=root --full
pids=$(cat "$folder"/{node1,node2,slurmctld}.pid /run/munge/tokwatt.pid 2>/dev/null)
for signal in TERM KILL; do
    for _ in $(seq 50); do
        alive=
        for pid in $pids; do if kill -0 "$pid" 2>/dev/null; then alive+=" $pid"; fi; done
        [ -n "$alive" ] || break 2
        # shellcheck disable=SC2086
        kill -s "$signal" $alive 2>/dev/null
        sleep 0.2
    done
done
rm -f "$conf" /run/munge/tokwatt.pid
