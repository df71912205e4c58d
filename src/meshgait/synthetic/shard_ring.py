"""Walkers without end: a process makes packed stores of new people, shard after shard, ahead of a training.

Shard n is an ordinary store whose walkers depend on the settings, the seed and n alone, so a training sees the
same people whenever it is repeated, stopped or resumed, and however many processes make them. Epoch e trains on
shards e .. e + R - 1; the next epoch drops the first of them and takes a new one, so nobody comes back.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from meshgait.errors import ConfigError, MeshGaitError, OutputError
from meshgait.lock import LOCK, lock_folder, unlock_folder
from meshgait.parallel import check_workers, end_with_parent
from meshgait.progress import Progress
from meshgait.synthetic.generate import generate, is_made
from meshgait.synthetic.population import WalkerSettings

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

POLL = 0.1
"""Seconds between two looks for a shard."""
SHARD = re.compile(r"shard-(?P<number>\d{6,9})(?P<partial>\.partial)?")
REMEDY = "give another data.shard_folder"
NICENESS = 10
"""Of the process that makes walkers: it takes what the training leaves."""


class ShardRing:
    """Shards that are made ahead of a training, and removed after it.

    Args:
        folder: of the shards; all processes of the training see it.
        walkers: settings of one shard; `WalkerSettings.seed` is that of all shards, and nobody is held out.
        shards: R, shards that an epoch trains on.
        ahead: further ones that are made while it trains.
        workers: processes that make them.

    Raises:
        ConfigError: fewer than one of these.
    """

    def __init__(self, folder: Path | str, walkers: WalkerSettings, shards: int, ahead: int, workers: int) -> None:
        for name, value in (("shards", shards), ("ahead", ahead)):
            if value < 1:
                raise ConfigError(f"data.{name} is {value}", "it must be at least 1")
        check_workers(workers)
        self.folder, self.walkers = Path(folder), walkers
        self.shards, self.ahead, self.workers = shards, ahead, workers
        self._lock: FileLock | None = None
        self._maker: multiprocessing.process.BaseProcess | None = None

    def path(self, number: int) -> Path:
        """Folder of a shard, there once it is whole."""
        return self.folder / f"shard-{number:06d}"

    def settings(self, number: int) -> WalkerSettings:
        """Settings of a shard: a seed of its own, nobody held out."""
        seed = np.random.SeedSequence((self.walkers.seed, number)).generate_state(1).item()
        return replace(self.walkers, seed=seed, test_fraction=0.0)

    def window(self, epoch: int) -> range:
        """Shards that an epoch trains on."""
        return range(epoch, epoch + self.shards)

    def open(self) -> None:
        """Keep the folder for this training; from now on `wait` has shards made, in a process of its own.

        Raises:
            OutputError: the folder cannot be written, another training uses it, or it holds anything else.
        """
        in_use = OutputError(f"{self.folder} is in use by another training", REMEDY)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(self.folder, in_use)
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be written ({error.strerror})", REMEDY) from None
        try:
            self._check_folder()
        except MeshGaitError:
            self.close()
            raise

    def _check_folder(self) -> None:
        """Shards are removed after use, so nothing else may lie there."""
        for path in sorted(self.folder.iterdir()):
            name = SHARD.fullmatch(path.name)
            if name is None and path.name != LOCK:
                raise OutputError(f"{self.folder} holds {path.name}, which is no shard of walkers", REMEDY)
            if name is not None and not name["partial"]:
                is_made(path, self.settings(int(name["number"])))

    def __getstate__(self) -> dict[str, object]:
        settings = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return settings | {"_lock": None, "_maker": None}

    def wait(self, epoch: int) -> None:
        """Return once the shards of an epoch are there; those before it are removed, the next ones are begun.

        Processes that have not opened the ring wait for the one that has.

        Raises:
            OutputError: they cannot be made.
        """
        if self._maker is not None:
            self._epoch.value = epoch
        elif self._lock is not None:
            self._maker = self._start_maker(epoch)
        with Progress(f"walkers of epoch {epoch + 1}", self.shards, "shards") as progress:
            while missing := [number for number in self.window(epoch) if not self.path(number).exists()]:
                self._check_maker()
                progress.reach(self.shards - len(missing))
                time.sleep(POLL)

    def _start_maker(self, epoch: int) -> multiprocessing.process.BaseProcess:
        # not forked: this process may hold threads and a GPU
        context = multiprocessing.get_context("spawn")
        self._epoch: Synchronized[int] = context.Value("q", epoch)
        self._failure, failure = context.Pipe(duplex=False)
        maker = context.Process(target=_make_shards, args=(self, self._epoch, failure), name="walkers")
        maker.start()
        failure.close()
        return maker

    def _check_maker(self) -> None:
        if self._maker is None or self._maker.is_alive():
            return
        try:
            what, remedy = self._failure.recv()
        except (EOFError, OSError):
            what = "the process that makes walkers was killed, perhaps for want of memory"
            remedy = "go on with fewer data.shard_workers"
        raise OutputError(what, remedy)

    def close(self) -> None:
        """End the process and let the folder go; an unfinished shard is taken up by the next training."""
        if self._maker is not None:
            self._maker.terminate()
            self._maker.join()
            self._maker.close()
            self._maker = None
            self._failure.close()
        if self._lock is not None:
            unlock_folder(self._lock)
            self._lock = None

    def make_next(self, epoch: int) -> bool:
        """Remove the shards before an epoch and make one that is missing; False if there is none."""
        for path in sorted(self.folder.iterdir()):
            if (name := SHARD.fullmatch(path.name)) and int(name["number"]) < epoch:
                shutil.rmtree(path, ignore_errors=True)
        for number in range(epoch, epoch + self.shards + self.ahead):
            if not self.path(number).exists():
                generate(self.path(number), self.settings(number), self.workers, progress=False)
                return True
        return False


def _make_shards(ring: ShardRing, epoch: Synchronized[int], failure: Connection) -> None:
    """Keep the ring full until the training ends."""
    end_with_parent()
    os.nice(NICENESS)
    try:
        while True:
            if not ring.make_next(epoch.value):
                time.sleep(POLL)
    except MeshGaitError as error:
        failure.send((error.what, error.remedy))
