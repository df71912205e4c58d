"""Reads what wandb wrote to disk: a log of protobuf records in LevelDB's format."""

import json
import struct
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

HEAD, BLOCK = 7, 32 * 1024
FULL, FIRST, LAST = 1, 2, 4


def records(path: Path) -> list[Record]:
    """All records of a ``run-ID.wandb`` file."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, part, found = HEAD, b"", []
    while place < len(data):
        if BLOCK - place % BLOCK < 7:  # too little is left of the block for a record's head
            place += BLOCK - place % BLOCK
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        piece = data[place + 7 : place + 7 + size]
        part = piece if kind in (FULL, FIRST) else part + piece
        if kind in (FULL, LAST):
            found.append(Record())
            found[-1].ParseFromString(part)
        place += 7 + size
    return found


class OfflineRun:
    """An offline run's folder: its id, settings, figures by step, and the media it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.path,) = folder.glob("*.wandb")
        self.records = records(self.path)
        (self.run,) = self.of("run")
        self.config = {
            item.key or item.nested_key[0]: json.loads(item.value_json)
            for config in self.of("config")
            for item in config.update
        }
        self.rows = [
            {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in history.item}
            for history in self.of("history")
        ]

    def of(self, kind: str) -> list:
        """The records of a kind."""
        return [getattr(record, kind) for record in self.records if record.WhichOneof("record_type") == kind]


def offline_runs(run_folder: Path) -> list[OfflineRun]:
    """The offline runs of a run folder, the earliest first."""
    return [OfflineRun(folder) for folder in sorted((run_folder / "wandb").glob("offline-run-*"))]
