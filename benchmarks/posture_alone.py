"""How well joints and markers alone tell walkers apart, true and reconstructed (docs/what-3d-brings.md).

    python benchmarks/posture_alone.py data/walkers runs/pretrain/checkpoints/last.ckpt

trains the posture reader with the losses of stage 2 on points that do not change: those of the truth, and those
that a stage 1 checkpoint reads from the silhouettes. Prints rank-1 of held-out subjects by the walkers' protocol.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from meshgait.batch import GaitBatch
from meshgait.body.markers import Markers
from meshgait.body.smpl import BodyModel
from meshgait.body.targets import TargetMaker
from meshgait.data.batch_samplers import SubjectBatchSampler
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.dataset import SequenceDataset
from meshgait.data.frame_sampler import FrameSampler, sample_frames
from meshgait.evaluation.scoring import evaluate
from meshgait.losses.classification import classification_loss
from meshgait.losses.triplet import triplet_loss
from meshgait.models.backbone import Stem
from meshgait.models.heads import StripClassifier
from meshgait.models.lifter import Lifter, Reconstructor
from meshgait.models.posture import PostureReader
from meshgait.models.size import NetworkSize
from meshgait.progress import track
from meshgait.stages.checkpoint import read_checkpoint
from meshgait.stages.optimisation import WarmupCosine

CHANNELS = 128


def main() -> None:
    """Read the points, train the reader on them, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", help="packed store of walkers")
    parser.add_argument("checkpoint", type=Path, help="of stage 1")
    parser.add_argument("--steps", type=int, default=400, help="of training the reader")
    parser.add_argument("--frames", type=int, default=8, help="of a training sequence")
    arguments = parser.parse_args()
    data = SilhouetteDataModule(arguments.store)
    checkpoint = read_checkpoint(arguments.checkpoint)
    size = NetworkSize(**checkpoint.settings["size"])
    network = Reconstructor(size, Stem(size), Lifter(size)).eval()
    network.load_state_dict(checkpoint.network())
    true, reconstructed = read_points(data, network, range(len(data.store.sequences)))
    for name, points in (("true", true), ("reconstructed", reconstructed)):
        rates = rank1(data, size, points, arguments.steps, arguments.frames)
        each = ", ".join(f"{condition} {rate:.1f}" for condition, rate in rates.items())
        print(f"{name} points: {each}, mean {sum(rates.values()) / len(rates):.1f}", flush=True)


@torch.inference_mode()
def read_points(
    data: SilhouetteDataModule, network: Reconstructor, sequences: Sequence[int] | np.ndarray
) -> tuple[list[Tensor], list[Tensor]]:
    """True and reconstructed points (T, K, 3) in crop pixels of each of the sequences."""
    dataset = SequenceDataset(data.store, data.labels, FrameSampler(0, "all"), truth=True)
    targets = TargetMaker(BodyModel.load(None), Markers.default())
    true, reconstructed = [], []
    for index in track(sequences, "reading points", len(sequences), "sequences"):
        batch: GaitBatch = dataset[int(index)]
        truth = targets(*(x[0] for x in (batch.truth.poses, batch.truth.betas, batch.truth.cameras)))
        true.append(torch.cat([truth.joints, truth.markers], dim=1))
        reconstructed.append(network(batch.silhouettes[0]).points)
    return true, reconstructed


def rank1(
    data: SilhouetteDataModule, size: NetworkSize, points: list[Tensor], steps: int, frames: int
) -> dict[str, float]:
    """Rank-1 per condition of a posture reader that was trained on the points of the training subjects."""
    torch.manual_seed(0)
    points = [x.clone() for x in points]  # out of inference mode
    reader = PostureReader(size.points, size.frame[0], size.posture_parts, CHANNELS, 256)
    head = StripClassifier(size.posture_parts, CHANNELS, data.num_subjects)
    optimizer = torch.optim.AdamW(nn.ModuleList([reader, head]).parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, WarmupCosine(steps, 0.05))
    labels = torch.tensor(data.labels)
    for draws in track(SubjectBatchSampler(data.labels, 8, 3, steps), "training the reader", steps):
        chosen = [
            points[d.sequence][torch.from_numpy(sample_frames(len(points[d.sequence]), frames, "subset", d.seed))]
            for d in draws
        ]
        mask = torch.ones(len(draws), frames, dtype=torch.bool)
        parts = reader(rearrange(chosen, "b t k c -> (b t) k c"), mask)
        who = labels[[d.sequence for d in draws]]
        loss = triplet_loss(parts, who) + classification_loss(head(parts), who)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    reader.eval()
    with torch.no_grad():
        found = torch.cat([reader(x, torch.ones(1, len(x), dtype=torch.bool)) for x in points])
    return {name: score.rank1 for name, score in evaluate(found, data.selection).items()}


if __name__ == "__main__":
    main()
