"""Lists of training and test subjects that come with a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshgait.errors import DataError
from meshgait.text import shown
from meshgait.textfiles.reading import TextFile


@dataclass(frozen=True)
class Partition:
    """Training and test subjects, as a data set's file lists them (OpenGait's JSON form).

    Attributes:
        train: subjects of TRAIN_SET.
        test: subjects of TEST_SET.
        probes: PROBE_SET, each "subject-condition-view"; may be empty.
        source: where it was read, for error messages.
    """

    train: frozenset[str]
    test: frozenset[str]
    probes: frozenset[str] = field(default=frozenset())
    source: str = "partition"

    @classmethod
    def of(cls, content: Mapping[str, Any], source: str = "partition") -> Partition:
        """From {"TRAIN_SET": [...], "TEST_SET": [...]} and perhaps "PROBE_SET".

        Raises:
            DataError: a list is missing or holds something else than names, or a subject is in both.
        """
        sets = {}
        for key in ("TRAIN_SET", "TEST_SET", "PROBE_SET"):
            names = content.get(key, [] if key == "PROBE_SET" else None) if isinstance(content, Mapping) else None
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise DataError(
                    f'{source}: {key} must be a list of names in quotes, as in {{"TRAIN_SET": ["001"], '
                    '"TEST_SET": ["002"]}'
                )
            sets[key] = frozenset(names)
        both = sorted(sets["TRAIN_SET"] & sets["TEST_SET"])
        if both:
            raise DataError(
                f"{source}: {len(both)} subjects are in TRAIN_SET and in TEST_SET ({shown(', '.join(both[:5]))}"
                f"{', ...' if len(both) > 5 else ''})",
                "keep each in one, test on unseen people",
            )
        return cls(sets["TRAIN_SET"], sets["TEST_SET"], sets["PROBE_SET"], source)

    @classmethod
    def read(cls, path: Path | str) -> Partition:
        """From a JSON file.

        Raises:
            DataError: the file is missing or no such JSON.
        """
        return cls.of(read_json(path), str(path))


def read_json(path: Path | str) -> Any:  # noqa: ANN401
    """Content of a partition's JSON file, whatever it is.

    Raises:
        DataError: the file is missing or no JSON.
    """
    return TextFile(path, "give the partition JSON of the data set").json()
