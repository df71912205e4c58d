"""Make a data set of synthetic walkers: sequences in parallel, written in a fixed order, resumable."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from meshgait.body.smpl import BodyModel
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import ConfigError, OutputError, StoreError
from meshgait.progress import Progress
from meshgait.walkers.cast import Settings
from meshgait.walkers.motions import Motions
from meshgait.walkers.rig import Rig
from meshgait.walkers.sequence import SIZE, Job, Studio, Take

VERSION = 1
"""Raised when the same settings no longer give the same bytes."""

AHEAD = 8
"""Sequences per worker that may wait to be written; bounds the memory."""

log = logging.getLogger(__name__)
_studio: Studio | None = None


def generate(
    dest: Path | str,
    settings: Settings | None = None,
    workers: int = 1,
    body: BodyModel | None = None,
    progress: bool = True,
    overwrite: bool = False,
    motions: Motions | None = None,
) -> bool:
    """Write synthetic walkers with SMPL truth as a packed store.

    The bytes depend on the settings, the body and the recorded walks alone, not on the number of workers. A killed
    run is taken up where it stopped by the same call.

    Args:
        dest: folder to make.
        settings: what to make.
        workers: processes.
        body: body model; the default body if None.
        progress: show how far it is (see `meshgait.progress`).
        overwrite: remove walkers that were made, or begun, with other settings in the same place.
        motions: recorded walks of as many people as there are styles, in place of the styles.

    Returns:
        True if the store was made, False if it was already there with the same settings.

    Raises:
        ConfigError: workers out of range.
        OutputError: the folder cannot be written, or it exists with other content.
    """
    settings, body, dest = settings or Settings(), body or BodyModel.default(), Path(dest)
    if not 1 <= workers <= 256:
        raise ConfigError(f"--workers {workers} is out of range; it must be between 1 and 256")
    source = {"made_by": "meshgait walkers", "version": VERSION, "body": body.hash, **settings.as_dict()}
    if motions:
        source["motions"] = motions.hash
    if overwrite:
        _make_way(dest, source)
    if _already_there(dest, source):
        return False
    writer = StoreWriter(dest, size=SIZE, bits=1, smpl=True, source=source)
    jobs = plan_jobs(settings)
    if writer.done:
        log.info("taking up %s at sequence %d of %d", dest, writer.done + 1, len(jobs))
    with Progress("walkers", len(jobs), "sequences", writer.done, progress) as report:
        rest = jobs[writer.done :]
        for job, take in zip(rest, _takes(settings, body.arrays, rest, workers, motions), strict=True):
            writer.add(
                job.subject.name,
                job.condition,
                f"{job.view:03d}",
                take.silhouettes,
                poses=take.poses,
                betas=take.betas,
                cameras=take.cameras,
            )
            report.advance()
    subjects = settings.subjects()
    writer.finish(
        partition={
            "TRAIN_SET": [subject.name for subject in subjects if not subject.test],
            "TEST_SET": [subject.name for subject in subjects if subject.test],
        },
        extra={
            "subjects": {s.name: {"body": s.body, "style": s.style} for s in subjects},
            **({"motions": motions.names} if motions else {}),
        },
    )
    return True


def plan_jobs(settings: Settings) -> list[Job]:
    """All sequences in the order in which they are written."""
    return [
        Job(subject, condition, view)
        for subject in settings.subjects()
        for condition in settings.conditions
        for view in settings.views
    ]


def _make_way(dest: Path, source: dict[str, object]) -> None:
    """Remove walkers of other settings, finished or begun; anything that is not ours stays."""
    for folder, head in ((dest, "meta.json"), (dest.with_name(dest.name + ".partial"), "head.json")):
        try:
            found = json.loads((folder / head).read_text())["source"]
        except (OSError, ValueError, KeyError):
            continue
        if found.get("made_by") == source["made_by"] and found != source:
            shutil.rmtree(folder)


def _already_there(dest: Path, source: dict[str, object]) -> bool:
    """Whether the wanted store exists; another one in its place is an error."""
    if not dest.exists():
        return False
    try:
        found = Store(dest).meta.get("source", {})
    except (StoreError, NotADirectoryError) as error:
        raise OutputError(f"{dest} exists and is no packed store; choose another folder or remove it") from error
    wanted = json.loads(json.dumps(source))
    different = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    if different:
        raise OutputError(
            f"{dest} was made with other settings ({', '.join(different)}); "
            "choose another folder or pass --overwrite"
        )
    return True


def _start(settings: Settings, arrays: Mapping[str, np.ndarray], motions: Motions | None) -> None:
    """Set up a worker, which ends with its parent and leaves an interrupt to it."""
    global _studio
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    cv2.setNumThreads(0)
    _studio = Studio(settings, Rig(arrays), motions)


def _follow(parent: int) -> None:
    """End this process once its parent is gone; a worker of a killed run would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _make(job: Job) -> Take:
    return _studio.take(job)


def _takes(
    settings: Settings,
    arrays: Mapping[str, np.ndarray],
    jobs: list[Job],
    workers: int,
    motions: Motions | None = None,
) -> Iterator[Take]:
    """Finished sequences in the order of `jobs`."""
    if not jobs:
        return
    if workers == 1:
        studio = Studio(settings, Rig(arrays), motions)
        yield from map(studio.take, jobs)
        return
    # forked workers need not import everything anew; where there is no fork, the default way is used
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else None)
    shared = (settings, arrays, motions)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=shared)
    try:
        queue: Iterator[Job] = iter(jobs)
        waiting: deque[Future[Take]] = deque(pool.submit(_make, job) for job in islice(queue, AHEAD * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(_make, job) for job in islice(queue, 1))
    finally:
        pool.shutdown(cancel_futures=True)
