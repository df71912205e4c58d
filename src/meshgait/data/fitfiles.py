"""SMPL fits in files beside a data set: which file is which sequence's, and rows in step with its frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os.path import exists  # unlike that of paths, never an error
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.data.fits import parse_mapping, read_fits
from meshgait.data.layouts import DEFAULTS, SequenceFolder
from meshgait.data.loaded_sequence import NO_FITS, Align, BrokenSequence, Dropped, LoadedSequence
from meshgait.errors import ConfigError, DataError, UnsafeFileError

_PLACEHOLDERS = " ".join(f"{{{name}}}" for name in DEFAULTS)
PROBED = 32
"""Fits that are tried before packing begins; if none of them can be read, the keys are wrong."""


@dataclass(frozen=True)
class FitFiles:
    """Where the fits of a data set lie, and how they name their arrays.

    Attributes:
        pattern: path with {subject}, {condition} and {view}, of a file of all frames or a folder of one a frame.
        mapping: which arrays are what, as `meshgait.data.fits.parse_mapping` gives it.
    """

    pattern: str
    mapping: Mapping[str, str]

    @classmethod
    def of(cls, pattern: str, keys: str) -> FitFiles:
        """From the user's text.

        Raises:
            ConfigError: the pattern has no {subject} or unknown placeholders, or the keys are malformed.
        """
        found = re.findall(r"\{(.*?)\}", pattern)
        if unknown := [name for name in found if name not in DEFAULTS]:
            raise ConfigError(f"--fits {pattern!r}: {{{unknown[0]}}} is unknown", f"use {_PLACEHOLDERS}")
        if "subject" not in found:
            raise ConfigError(
                f"--fits {pattern!r} is one file for everybody", f"distinguish sequences by {_PLACEHOLDERS}"
            )
        return cls(pattern, parse_mapping(keys))

    @property
    def settings(self) -> dict[str, Any]:
        """JSON-able description, part of the store's settings."""
        return {"files": self.pattern, "keys": dict(self.mapping)}

    def path(self, job: SequenceFolder) -> Path:
        """File or folder of a sequence's fits."""
        # all at once, for a name may itself look like a placeholder
        return Path(re.sub(r"\{(\w+)\}", lambda match: getattr(job, match[1]), self.pattern))

    def check(self, jobs: Iterable[SequenceFolder]) -> None:
        """Whether the pattern finds fits, a file a sequence, and the keys read them; few files are read for it.

        Raises:
            DataError: no sequence has a file, two have the same, or none of the first files can be read.
            UnsafeFileError: the arrays are Python objects.
        """
        if not all(f"{{{name}}}" in self.pattern for name in DEFAULTS):  # else all names differ
            self._check_apart(jobs)
        errors: list[DataError] = []
        first = None
        for job in jobs:
            path = self.path(job)
            first = first or path
            if not exists(path):
                continue
            try:
                read_fits(path, self.mapping)
                return
            except UnsafeFileError:
                raise
            except DataError as error:
                errors.append(error)
            if len(errors) == PROBED:
                break
        if errors:
            raise errors[0]
        raise DataError(f"no sequence has a file of fits: the first would be {first}", "mend the path of --fits")

    def _check_apart(self, jobs: Iterable[SequenceFolder]) -> None:
        seen: set[int] = set()
        for count, job in enumerate(jobs, 1):
            seen.add(hash(path := self.path(job)))
            if len(seen) < count:
                raise DataError(
                    f"{path} would be the fits of a second sequence, {'/'.join(job[:3])}",
                    f"put {_PLACEHOLDERS} into --fits",
                )

    def add(self, take: LoadedSequence, job: SequenceFolder, align: Align) -> LoadedSequence:
        """A sequence with its fits, of the frames that are left; without a file it has none, which is noted.

        Args:
            take: the sequence as read.
            job: its names.
            align: brings rows into the silhouette frame.

        Raises:
            BrokenSequence: the file is damaged, or its rows are not as many as the source's frames.
            UnsafeFileError: the arrays are Python objects.
        """
        if take.silhouettes is None or take.kept is None:
            return take
        path = self.path(job)
        if not exists(path):
            return take._replace(drops=(*take.drops, Dropped("", NO_FITS, str(path))))
        rows = self._read(path)
        if len(rows) != len(take.kept):
            raise BrokenSequence(
                f"has {len(take.kept)} frames, but {path} has {len(rows)} fits", "fit it again, or remove its fits"
            )
        return take._replace(fits=align(rows[take.kept], take.silhouettes))

    def _read(self, path: Path) -> np.ndarray:
        try:
            return read_fits(path, self.mapping)
        except UnsafeFileError:
            raise
        except DataError as error:
            raise BrokenSequence(f"has fits that cannot be read: {error.what}", error.remedy) from None
