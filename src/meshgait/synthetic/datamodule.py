"""LightningDataModule of stage 2 on walkers that are made while it trains, new people every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from torch.utils.data import DataLoader

from meshgait.data.batch_samplers import SeededIndex, SubjectBatchSampler
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.dataset import SequenceDataset
from meshgait.data.frame_sampler import FrameSampler
from meshgait.data.store import Store
from meshgait.errors import ConfigError
from meshgait.synthetic.images import SIZE
from meshgait.synthetic.population import WalkerSettings
from meshgait.synthetic.shard_ring import ShardRing
from meshgait.synthetic.sharded_store import ShardedStore


class WalkerStreamDataModule(SilhouetteDataModule):
    """P x K batches of walkers from a ring of shards (`meshgait.synthetic.shard_ring`).

    An epoch trains on the people of R shards; at its end those of one make way for new ones, who take their places
    in the classifier. Evaluation is on the held-out people of a store that stays.

    Args:
        store: folder of a packed store of walkers, whose held-out people are evaluated.
        shard_folder: where shards are made; each takes about 0.7 kB a frame.
        walkers: settings of a shard (`test_fraction` aside: nobody is held out of it).
        shards: R, shards that an epoch trains on.
        ahead: further ones that are made meanwhile.
        shard_workers: processes that make them, with low priority.
        subjects: P, subjects a batch over all devices.
        sequences: K, sequences of each.
        frames: frames of a training sequence.
        frame_mode: "subset" (random frames, for set pooling) or "window" (consecutive).
        batches: training batches an epoch.
        truth: whether SMPL truth is read too.
        eval_frames: how many frames of a sequence are evaluated at most (0: all).
        eval_sequences: sequences at once in evaluation.
        workers: loading processes.
        seed: of all draws of batches; that of the walkers is `walkers.seed`.

    Raises:
        ConfigError: a setting is out of range, or there are more subjects in a batch than in the ring.
    """

    def __init__(
        self,
        store: str,
        shard_folder: str,
        walkers: WalkerSettings = WalkerSettings(test_fraction=0.0),  # noqa: B008 - frozen
        shards: int = 4,
        ahead: int = 1,
        shard_workers: int = 1,
        subjects: int = 8,
        sequences: int = 4,
        frames: int = 30,
        frame_mode: Literal["subset", "window"] = "subset",
        batches: int = 100,
        truth: bool = True,
        eval_frames: int = 720,
        eval_sequences: int = 8,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            store, subjects=subjects, sequences=sequences, frames=frames, frame_mode=frame_mode, batches=batches,
            truth=truth, eval_frames=eval_frames, eval_sequences=eval_sequences, workers=workers, seed=seed,
        )  # fmt: skip
        self.ring = ShardRing(Path(shard_folder), walkers, shards, ahead, shard_workers)
        self.walks = len(walkers.conditions) * len(walkers.views)
        self.people = len(self.ring.settings(0).subjects())

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) -1 for the sequences of the evaluated store: none of its people is trained on."""
        return np.full(len(self.store.sequences), -1)

    @property
    def num_subjects(self) -> int:
        """People of the ring, the classes of the classifier."""
        return self.ring.shards * self.people

    @cached_property
    def sharded(self) -> ShardedStore:
        """All shards as one store."""
        return ShardedStore(self.ring.path, self.people * self.walks, self.ring.walkers.frames)

    def store_of(self, part: str) -> Store:
        """Where the sequences of a training batch come from."""
        return self.sharded  # type: ignore[return-value]  # it names sequences, as a store does

    def replaced_labels(self, epoch: int) -> range:
        """Classes that have other people than in the epoch before."""
        if epoch == 0:
            return range(0)
        slot = (epoch - 1) % self.ring.shards
        return range(slot * self.people, (slot + 1) * self.people)

    def setup(self, stage: str) -> None:
        """Check the settings; the first process of a fit has walkers made."""
        if self.store.size != SIZE:
            raise ConfigError(f"{self.path} has silhouettes of {self.store.size}, walkers have {SIZE}")
        super().setup(stage)
        if stage == "fit" and (not self.trainer or self.trainer.is_global_zero):
            self.ring.open()

    def teardown(self, stage: str) -> None:
        """End the process that makes walkers."""
        self.ring.close()

    def train_dataloader(self) -> DataLoader:
        """P x K identity batches of the shards of the epoch."""
        sampler = RingBatchSampler(
            self.ring, self.people, self.walks, self.subjects, self.sequences, self.batches, self.seed,
            **self._ranks(),
        )  # fmt: skip
        dataset = ShardDataset(self.sharded, self.num_subjects, self.walks, self.choice, self.truth)
        return self._random_loader(dataset, sampler)


class RingBatchSampler(SubjectBatchSampler):
    """P x K batches of the people of an epoch's shards; an epoch waits until these are there.

    Args:
        ring: of the shards.
        people: of each shard.
        walks: sequences of each person.
        subjects: P.
        sequences: K.
        batches: batches an epoch.
        seed: of all draws.
        rank: this process.
        world_size: number of processes.
    """

    def __init__(
        self,
        ring: ShardRing,
        people: int,
        walks: int,
        subjects: int,
        sequences: int,
        batches: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        labels = np.repeat(np.arange(ring.shards * people), walks)
        super().__init__(labels, subjects, sequences, batches, seed, rank, world_size)
        self.ring, self.size = ring, people * walks

    def __iter__(self) -> Iterator[list[SeededIndex]]:
        self.ring.wait(self.epoch)
        yield from super().__iter__()

    def _indices(self, rng: np.random.Generator) -> np.ndarray:
        """Sequences of one batch, counted over all shards there ever are."""
        slots, places = np.divmod(super()._indices(rng), self.size)
        return (self.epoch + (slots - self.epoch) % self.ring.shards) * self.size + places


class ShardDataset(SequenceDataset):
    """Sequences of all shards, labelled by their people's places in the classifier."""

    def __init__(self, store: ShardedStore, classes: int, walks: int, choice: FrameSampler, truth: bool) -> None:
        super().__init__(store, None, choice, truth)
        self.classes, self.walks = classes, walks

    def labels_of(self, indices: np.ndarray) -> np.ndarray:
        """(B,) classes; the people of a shard that leaves the ring give theirs to those who enter."""
        return indices // self.walks % self.classes
