#!/usr/bin/env bash
# Train on the devices of a SLURM job, which puts itself back into the queue until the training is complete.
#
#   sbatch launch/slurm.sh --config experiments/finetune/gait3d.yaml [more settings]
#
# STORES  folders that are first copied to each machine's own disk (LOCAL, by default $SLURM_TMPDIR or /tmp); give
#         data.store and data.body_store there: "$LOCAL/gait3d" is /tmp/gait3d
#
# Change the lines below to what your cluster has: tasks and GPUs a node must be the same number.
#SBATCH --job-name=meshgait
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
# this long before the time is over each process is told to save and to stop
#SBATCH --signal=USR1@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.txt
set -uo pipefail

LOCAL=${LOCAL:-${SLURM_TMPDIR:-/tmp}}
for store in ${STORES:-}; do
    srun --ntasks="$SLURM_NNODES" --ntasks-per-node=1 rsync --archive "$store" "$LOCAL/" || exit
done
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# a process that dies leaves the others waiting for it: ten minutes are enough for them to end by themselves
srun --kill-on-bad-exit=0 --wait=600 python -m meshgait.cli fit "$@" \
    --trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE" --trainer.strategy ddp \
    --ckpt_path last
status=$?
if [ "$status" -eq 143 ]; then # stopped with a checkpoint; any other failure would only come again
    echo "launch/slurm.sh: stopped before it was complete, back into the queue" >&2
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
