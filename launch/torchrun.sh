#!/usr/bin/env bash
# Train on all devices of one machine, or of several that run this at the same time.
#
#   launch/torchrun.sh --config experiments/finetune/gait3d.yaml [more settings]
#
# DEVICES    processes on this machine, one a GPU (default: its GPUs)
# NODES      machines (1); then also, on each of them:
# NODE_RANK  its number from 0, and MASTER  name or address of machine 0, and PORT (29500), free there
#
# Repeated after it was stopped (status 143 after SIGTERM or SIGUSR1, anything else after a failure), it goes on
# from the last checkpoint. How batches, stores and workers are to be set: docs/many-devices.md
set -euo pipefail

DEVICES=${DEVICES:-$({ nvidia-smi --list-gpus 2>/dev/null || true; } | wc -l)}
NODES=${NODES:-1}
if [ "$DEVICES" -lt 1 ]; then
    echo "launch/torchrun.sh: no GPU is found here; set DEVICES to the number of processes" >&2
    exit 2
fi
if [ "$NODES" -gt 1 ]; then
    : "${NODE_RANK:?set it to the number of this machine, from 0}" "${MASTER:?set it to the address of machine 0}"
    meeting=(--nnodes="$NODES" --node_rank="$NODE_RANK" --master_addr="$MASTER" --master_port="${PORT:-29500}")
else
    meeting=(--standalone)
fi
# else each process would take all cores for itself
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec torchrun "${meeting[@]}" --nproc_per_node="$DEVICES" -m meshgait.cli fit "$@" \
    --trainer.num_nodes "$NODES" --trainer.devices "$DEVICES" --trainer.strategy ddp --ckpt_path last
