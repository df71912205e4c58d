"""Which frames of a sequence are read: the sampling modes of the field, for a whole batch at once.

All that is random about a sequence comes from its own seed by a counter-based generator (SplitMix64: Steele, Lea
and Flood, OOPSLA 2014), so a sample is the same whichever worker reads it and whatever else is in the batch, and
no generator has to be set up for each sequence (which would cost more than to read it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

FrameMode = Literal["all", "spread", "window", "subset"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
LENGTH, START, ORDER = 0, 1, 2  # numbers of the draws; those of the order are the last, for they are many


class FrameNumbers(NamedTuple):
    """Frames of B sequences, padded to the longest.

    Attributes:
        numbers: (B, T) int64 frame numbers within the sequence; 0 where there is no frame.
        mask: (B, T) bool, True where there is one.
    """

    numbers: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class FrameSampler:
    """How frames of a sequence are chosen.

    Attributes:
        count: frames wanted; for "all" the most that are read (0: no limit).
        mode: "all", in order; "spread", evenly over the sequence; "window", consecutive from a random start;
            "subset", a random subset in order of time. The last two repeat a sequence that is too short.
        most: with "window" and "subset", the number of frames is drawn evenly from ``count``..``most`` for each
            sequence; 0: always ``count``.
        skip: with "window", this number of random frames is left out of a longer window.
    """

    count: int
    mode: FrameMode
    most: int = 0
    skip: int = 0

    def __call__(self, totals: np.ndarray, seeds: np.ndarray) -> FrameNumbers:
        """Choose among ``totals`` (B,) frames, each at least 1, by ``seeds`` (B,) below 2^63."""
        totals = np.asarray(totals, np.int64)
        if self.mode == "all":
            counts = np.minimum(totals, self.count) if self.count else totals
            return _padded(np.arange(counts.max()), counts)
        if self.mode == "spread":
            counts = np.minimum(totals, self.count)
            places = np.arange(counts.max()) + 0.5
            return _padded((places * totals[:, None] / counts[:, None]).astype(np.int64), counts)
        seeds = np.asarray(seeds).astype(np.uint64)
        counts = np.full(len(totals), self.count)
        if self.most > self.count:
            counts += _below(self.most - self.count + 1, seeds, LENGTH)
        if self.mode == "subset":
            return _subset(totals, counts, seeds)
        wide = counts + self.skip
        starts = _below(np.maximum(totals, _rounds(totals, wide)) - wide + 1, seeds, START)
        inside = _subset(wide, counts, seeds) if self.skip else _padded(np.arange(counts.max()), counts)
        return _padded((starts[:, None] + inside.numbers) % totals[:, None], counts)


def sample_frames(total: int, count: int, mode: FrameMode, seed: int = 0) -> np.ndarray:
    """Frame numbers (T,) int64 to read of one sequence of ``total`` frames; see `FrameSampler`."""
    return FrameSampler(count, mode)(np.array([total]), np.array([seed])).numbers[0]


def _random(seeds: np.ndarray, numbers: np.ndarray | int) -> np.ndarray:
    """Draw number ``numbers`` of each seed: even over 64 bits."""
    with np.errstate(over="ignore"):  # arithmetic is modulo 2^64
        state = seeds + (np.asarray(numbers, np.uint64) + np.uint64(1)) * GOLDEN
        for shift, factor in MIX:
            state = (state ^ (state >> shift)) * factor
    return state ^ (state >> np.uint64(31))


def _below(limits: np.ndarray | int, seeds: np.ndarray, number: int) -> np.ndarray:
    """Even integers in 0 .. limit - 1; their bias is below limit / 2^53."""
    return ((_random(seeds, number) >> np.uint64(11)) * 2.0**-53 * limits).astype(np.int64)


def _rounds(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Frames of as many whole repetitions as it takes to have ``counts``."""
    return -(-counts // totals) * totals


def _subset(totals: np.ndarray, counts: np.ndarray, seeds: np.ndarray) -> FrameNumbers:
    """A random subset in order of time; each frame once before any comes again."""
    places = np.maximum(totals, _rounds(totals, counts))
    numbers = np.arange(places.max())
    keys = _random(seeds[:, None], ORDER + numbers)
    keys[numbers >= places[:, None]] = np.iinfo(np.uint64).max
    # the places with the smallest keys; a sequence that wants fewer than others leaves the largest of these out
    chosen = np.argpartition(keys, counts.max() - 1, axis=1)[:, : counts.max()]
    if counts.min() < counts.max():
        chosen = np.take_along_axis(chosen, np.argsort(np.take_along_axis(keys, chosen, 1), axis=1), 1)
    inside = np.arange(counts.max()) < counts[:, None]
    frames = np.where(inside, chosen % totals[:, None], np.iinfo(np.int64).max)
    frames.sort(axis=1)
    return _padded(frames, counts)


def _padded(numbers: np.ndarray, counts: np.ndarray) -> FrameNumbers:
    mask = np.arange(counts.max()) < counts[:, None]
    return FrameNumbers(np.where(mask, numbers, 0), mask)
