"""LightningDataModules: silhouettes with identities (stage 2), frames with SMPL truth (stage 1)."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from lightning import LightningDataModule
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from torch.utils.data import DataLoader, Subset

from meshgait.data.batch_samplers import SequenceBatchSampler, SubjectBatchSampler
from meshgait.data.custom_protocol import CustomProtocol
from meshgait.data.dataset import SequenceDataset, identity_collate
from meshgait.data.frame_sampler import FrameSampler
from meshgait.data.loader_signals import ignore_foreign_signals
from meshgait.data.partitions import Partition
from meshgait.data.protocols import EvaluationProtocol, Selection, Split, get_protocol, select, split
from meshgait.data.store import Store
from meshgait.data.table import coded
from meshgait.errors import ConfigError, DataError

if TYPE_CHECKING:
    from lightning.pytorch.loops.progress import _ProcessedTracker


Drawn = SubjectBatchSampler | SequenceBatchSampler


class _StoreDataModule(LightningDataModule):
    """What both DataModules share: a store, its split, loaders.

    Args:
        store: folder of the packed store.
        protocol: name of the protocol that separates training from test sequences, or a csv
            (`meshgait.data.custom_protocol`).
        partition: JSON with TRAIN_SET and TEST_SET; by default the store's own, then the protocol's rule.
        batches: training batches an epoch.
        workers: processes that load; 0 loads in the main one (memory-mapped stores seldom need more).
        seed: of all draws.
    """

    def __init__(
        self, store: str, protocol: str, partition: str | None, batches: int, workers: int, seed: int
    ) -> None:
        super().__init__()
        _require(1, batches=batches)
        _require(0, workers=workers, seed=seed)
        self.path = Path(store)
        self.rules = CustomProtocol.read(protocol) if protocol.endswith(".csv") else None
        self.protocol: EvaluationProtocol = self.rules.protocol if self.rules else get_protocol(protocol)
        self.partition_path, self.batches, self.workers, self.seed = partition, batches, workers, seed
        self._resume_position = 0, 0  # epoch and batches done of a fit that goes on

    @cached_property
    def store(self) -> Store:
        """The packed store, opened on first use."""
        return Store(self.path)

    def store_of(self, part: str) -> Store:
        """Where the sequences of a part of a batch ("identity", "body") come from."""
        return self.store

    @cached_property
    def split(self) -> Split:
        """Masks of the training and of the test sequences."""
        if self.rules:
            return self.rules.split(self.store.sequences)
        return split(self.store.sequences, self.protocol, _partition(self.store, self.partition_path))

    def setup(self, stage: str) -> None:
        """Find out what is wrong with the data before anything is computed or written."""
        self._resume_position = 0, 0
        if stage in ("fit", "validate", "test"):
            self.val_dataloader()
        if stage == "fit":
            self.train_dataloader()

    def _ranks(self) -> dict[str, int]:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return {"rank": rank, "world_size": world}

    def state_dict(self) -> dict[str, int]:
        """Epoch and how many of its batches are done."""
        return dict(zip(("epoch", "done"), self._position(), strict=True))

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Let the next training batches be those that follow a checkpoint.

        Lightning restores its counters, and names the epoch to samplers, only after workers have begun to load.
        """
        self._resume_position = state_dict["epoch"], state_dict["done"]

    def _position(self) -> tuple[int, int]:
        if not self.trainer or self.trainer.state.fn != "fit":
            return 0, 0
        loop = self.trainer.fit_loop
        # Lightning declares a base class of the trackers that are really there
        epochs = cast("_ProcessedTracker", loop.epoch_progress.current)
        batches = cast("_ProcessedTracker", loop.epoch_loop.batch_progress.current)
        done = batches.processed if epochs.ready > epochs.processed else 0
        return max((epochs.processed, done), self._resume_position)

    def _random_loader(self, dataset: SequenceDataset, sampler: Drawn) -> DataLoader:
        """Loader of the random batches of a sampler."""
        sampler.set_epoch(*self._position())
        return self._loader()(dataset, batch_sampler=sampler)

    def _ordered_loader(self, dataset: SequenceDataset, indices: np.ndarray, size: int) -> DataLoader:
        """Loader of this device's share of ``indices`` (N,) in order, ``size`` at once."""
        rank, world = self._ranks().values()
        if 0 < len(indices) < world:
            raise ConfigError(
                f"{self.path} has {len(indices)} sequences to evaluate for {world} devices", "use fewer devices"
            )
        return self._loader()(Subset(dataset, indices[rank::world].tolist()), batch_size=size)

    def _loader(self) -> partial[DataLoader]:
        """What all loaders have in common."""
        return partial(
            DataLoader,
            num_workers=self.workers,
            collate_fn=identity_collate,
            pin_memory=False,
            persistent_workers=self.workers > 0,
            prefetch_factor=4 if self.workers else None,
            # a generator of its own: it would draw from the global one at each epoch, and when a fit is resumed
            generator=torch.Generator(),
            worker_init_fn=ignore_foreign_signals,
        )


class SilhouetteDataModule(_StoreDataModule):
    """Silhouette sequences with identities: P x K training batches, whole sequences for evaluation.

    Args:
        store: folder of the packed store.
        protocol: name of the protocol (walkers, casia-b, oumvlp, gait3d, grew, usf, ...), or a csv with roles.
        partition: JSON with TRAIN_SET and TEST_SET; by default the store's own, then the protocol's rule.
        subjects: P, subjects a batch over all devices.
        sequences: K, sequences of each.
        frames: frames of a training sequence; short sequences are repeated.
        frame_mode: "subset" (random frames, for set pooling) or "window" (consecutive).
        frames_max: the number of frames of each sequence is drawn from ``frames``..``frames_max``, and batches
            are padded; null: it is always ``frames``.
        frame_skip: number of random frames left out of a window that is longer by as many.
        batches: training batches an epoch.
        truth: whether SMPL truth is read too, if the store has it.
        body_store: another store whose training subjects give 3D supervision (silhouettes without truth need it).
        body_frames: single frames a batch from ``body_store``.
        eval_frames: how many frames of a sequence are evaluated at most (0: all).
        eval_sequences: sequences at once in evaluation.
        workers: loading processes.
        seed: of all draws.
    """

    def __init__(
        self,
        store: str,
        protocol: str = "walkers",
        partition: str | None = None,
        subjects: int = 8,
        sequences: int = 4,
        frames: int = 30,
        frame_mode: Literal["subset", "window"] = "subset",
        frames_max: int | None = None,
        frame_skip: int = 0,
        batches: int = 100,
        truth: bool = True,
        body_store: str | None = None,
        body_frames: int = 64,
        eval_frames: int = 720,
        eval_sequences: int = 8,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(store, protocol, partition, batches, workers, seed)
        _require(1, subjects=subjects, sequences=sequences, frames=frames, body_frames=body_frames)
        _require(1, eval_sequences=eval_sequences)
        _require(0, eval_frames=eval_frames, frame_skip=frame_skip)
        if frame_skip and frame_mode != "window":
            raise ConfigError(
                f"data.frame_skip is {frame_skip}, but only windows skip", "set data.frame_mode to window"
            )
        if frames_max is not None:
            _require(frames, frames_max=frames_max)
        self.subjects, self.sequences = subjects, sequences
        self.choice = FrameSampler(frames, frame_mode, frames_max or 0, frame_skip)
        self.truth, self.body_path, self.body_frames = truth, body_store, body_frames
        self.eval_frames, self.eval_sequences = eval_frames, eval_sequences

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) index of each sequence's subject among the training subjects; -1 for all other sequences."""
        names, codes = coded(self.store.sequences, "subject")
        trained = np.zeros(len(names), bool)
        trained[codes[self.split.train]] = True
        return np.where(self.split.train, (np.cumsum(trained) - 1)[codes], -1)

    @property
    def num_subjects(self) -> int:
        """Number of training subjects, the classes of the classifier."""
        return int(self.labels.max(initial=-1)) + 1

    def replaced_labels(self, epoch: int) -> range:
        """Classes that have other people than in the epoch before: none."""
        return range(0)

    def store_of(self, part: str) -> Store:
        """Where the sequences of a part of a batch ("identity", "body") come from."""
        return Store(self.body_path) if part == "body" and self.body_path else self.store

    @cached_property
    def selection(self) -> Selection:
        """Gallery and probes of the test sequences."""
        if self.rules:
            return self.rules.select(self.store.sequences)
        return select(self.store.sequences, self.protocol, _partition(self.store, self.partition_path))

    def train_dataloader(self) -> DataLoader | CombinedLoader:
        """P x K identity batches, beside them frames with truth where ``body_store`` is given."""
        truth = self.truth and self.store.has_smpl
        sampler = SubjectBatchSampler(
            self.labels, self.subjects, self.sequences, self.batches, self.seed, **self._ranks()
        )
        dataset = SequenceDataset(self.store, self.labels, self.choice, truth)
        identity = self._random_loader(dataset, sampler)
        if self.body_path is None:
            return identity
        frames = BodyDataModule(
            self.body_path, batch_size=self.body_frames, batches=self.batches, workers=self.workers, seed=self.seed
        )
        frames.trainer, frames._resume_position = self.trainer, self._resume_position
        return CombinedLoader({"identity": identity, "body": frames.train_dataloader()}, "max_size_cycle")

    def val_dataloader(self) -> DataLoader:
        """Every sequence of gallery and probes."""
        wanted = np.logical_or.reduce([self.selection.gallery, *self.selection.probes.values()])
        truth = self.truth and self.store.has_smpl
        dataset = SequenceDataset(self.store, self.labels, FrameSampler(self.eval_frames, "all"), truth)
        return self._ordered_loader(dataset, np.flatnonzero(wanted), self.eval_sequences)

    test_dataloader = val_dataloader

    def predict_dataloader(self) -> DataLoader:
        """Every sequence of the store."""
        dataset = SequenceDataset(self.store, self.labels, FrameSampler(self.eval_frames, "all"), truth=False)
        return self._ordered_loader(dataset, np.arange(len(self.store.sequences)), self.eval_sequences)


class BodyDataModule(_StoreDataModule):
    """Single frames with SMPL truth.

    Args:
        store: folder of a packed store with SMPL parameters.
        protocol: name of the protocol that separates training from test sequences.
        partition: JSON with TRAIN_SET and TEST_SET; by default the store's own, then the protocol's rule.
        batch_size: frames a batch over all devices.
        batches: training batches an epoch.
        eval_frames: frames of a test sequence that are evaluated, spread evenly.
        workers: loading processes.
        seed: of all draws.
    """

    def __init__(
        self,
        store: str,
        protocol: str = "walkers",
        partition: str | None = None,
        batch_size: int = 64,
        batches: int = 100,
        eval_frames: int = 4,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(store, protocol, partition, batches, workers, seed)
        _require(1, batch_size=batch_size, eval_frames=eval_frames)
        self.batch_size, self.eval_frames = batch_size, eval_frames

    def _dataset(self, choice: FrameSampler) -> SequenceDataset:
        if not self.store.has_smpl:
            raise DataError(f"{self.path} has no SMPL truth to learn 3D from", "use a store of `meshgait walkers`")
        return SequenceDataset(self.store, None, choice, truth=True)

    def train_dataloader(self) -> DataLoader:
        """Random frames of random training sequences."""
        indices = np.flatnonzero(self.split.train)
        sampler = SequenceBatchSampler(indices, self.batch_size, self.batches, self.seed, **self._ranks())
        return self._random_loader(self._dataset(FrameSampler(1, "subset")), sampler)

    def val_dataloader(self) -> DataLoader:
        """A few frames of every test sequence."""
        dataset = self._dataset(FrameSampler(self.eval_frames, "spread"))
        size = max(1, 256 // self.eval_frames)
        return self._ordered_loader(dataset, np.flatnonzero(self.split.test), size)

    test_dataloader = val_dataloader


def _require(least: int, **settings: int) -> None:
    for name, value in settings.items():
        if value < least:
            raise ConfigError(f"data.{name} is {value}", f"it must be at least {least}")


def _partition(store: Store, path: str | None) -> Partition | None:
    if path is not None:
        return Partition.read(path)
    return None if store.partition is None else Partition.of(store.partition, f"{store.path}/partition.json")
