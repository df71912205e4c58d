"""Which sequences make a batch; `meshgait.data.frame_sampler` says which of their frames are read.

Every draw carries a seed of its own, so a sample is the same whichever worker reads it; every batch depends
only on (seed, epoch, number), so an epoch can be repeated exactly. Rank and world_size are passed in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from meshgait.errors import ConfigError


class SeededIndex(NamedTuple):
    """One sequence to read (its place in the store), and the seed of all that is random about it."""

    sequence: int
    seed: int


class _EpochSampler(Sampler[list[SeededIndex]], ABC):
    """Batches that depend on (seed, epoch, number of the batch) alone; a rank takes its contiguous share.

    Args:
        batches: batches an epoch.
        seed: of all draws.
        rank: this process.
        world_size: number of processes.
    """

    def __init__(self, batches: int, seed: int, rank: int, world_size: int) -> None:
        self.batches, self.seed, self.rank, self.world_size = batches, seed, rank, world_size
        self.epoch, self.done = 0, 0

    @property
    def sampler(self) -> _EpochSampler:
        """Itself: Lightning calls `set_epoch` only on ``batch_sampler.sampler``."""
        return self

    def set_epoch(self, epoch: int, done: int | None = None) -> None:
        """Make the next iteration that of ``epoch``, without the first ``done`` batches.

        Lightning gives the epoch alone: the resumed epoch goes on at its batch, any other begins at its first.
        """
        if done is not None or epoch != self.epoch:
            self.epoch, self.done = epoch, done or 0

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[SeededIndex]]:
        for number in range(self.done, self.batches):
            rng = np.random.default_rng((self.seed, self.epoch, number))
            indices = self._indices(rng)
            seeds = rng.integers(2**62, size=len(indices))
            draws = [SeededIndex(i, s) for i, s in zip(indices.tolist(), seeds.tolist(), strict=True)]
            share = len(draws) // self.world_size
            yield draws[self.rank * share : (self.rank + 1) * share]

    @abstractmethod
    def _indices(self, rng: np.random.Generator) -> np.ndarray:
        """Sequences of one batch over all ranks."""


class SubjectBatchSampler(_EpochSampler):
    """P subjects x K sequences of each (P x K), for losses over pairs.

    Args:
        labels: subject of each sequence; negative labels are left out.
        subjects: P.
        sequences: K; a subject with fewer repeats some.
        batches: batches an epoch.
        seed: of all draws.
        rank: this process.
        world_size: number of processes; P K is a multiple of it.

    Raises:
        ConfigError: fewer subjects than P, or P K is no multiple of world_size.
    """

    def __init__(
        self,
        labels: Sequence[int] | np.ndarray,
        subjects: int,
        sequences: int,
        batches: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(batches, seed, rank, world_size)
        numbers = np.asarray(labels, np.int64)
        order = np.argsort(numbers, kind="stable")
        self.members = order[np.count_nonzero(numbers < 0) :]  # sequences, subject by subject
        # where each subject's begin, and the end of the last
        edges = np.flatnonzero(np.diff(numbers[self.members], prepend=-1))
        self.bounds = np.append(edges, len(self.members))
        if len(edges) < subjects:
            raise ConfigError(
                f"a batch wants {subjects} subjects, the data have {len(edges)}", "lower data.subjects"
            )
        if subjects * sequences % world_size:
            raise ConfigError(
                f"{subjects} x {sequences} sequences a batch do not share evenly among {world_size} devices",
                "make data.subjects a multiple of them",
            )
        self.subjects, self.sequences = subjects, sequences

    def _indices(self, rng: np.random.Generator) -> np.ndarray:
        chosen = rng.choice(len(self.bounds) - 1, self.subjects, replace=False)
        groups = (self.members[self.bounds[g] : self.bounds[g + 1]] for g in chosen)
        return np.concatenate([self._of(group, rng) for group in groups])

    def _of(self, group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """K members of a group: each once before any comes again."""
        rounds = -(-self.sequences // len(group))
        return np.concatenate([rng.permutation(group) for _ in range(rounds)])[: self.sequences]


class SequenceBatchSampler(_EpochSampler):
    """Batches of sequences drawn evenly from those named.

    Args:
        indices: sequences to draw from.
        size: sequences a batch, over all devices; a multiple of world_size.
        batches: batches an epoch.
        seed: of all draws.
        rank: this process.
        world_size: number of processes.

    Raises:
        ConfigError: there is no sequence, or the size is no multiple of world_size.
    """

    def __init__(
        self,
        indices: Sequence[int] | np.ndarray,
        size: int,
        batches: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(batches, seed, rank, world_size)
        if not len(indices):
            raise ConfigError("there is no sequence to train on", "check the store and its partition")
        if size % world_size:
            raise ConfigError(
                f"a batch of {size} does not share evenly among {world_size} devices", "make it a multiple of them"
            )
        self.indices, self.size = np.asarray(indices), size

    def _indices(self, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(self.indices, self.size)
