"""Make a data set of synthetic walkers: sequences in parallel, written in a fixed order, resumable."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.body.smpl import BodyModel
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import DataError, OutputError, StoreError
from meshgait.parallel import check_workers, map_in_order
from meshgait.progress import Progress
from meshgait.synthetic.images import SIZE
from meshgait.synthetic.motions import Motions
from meshgait.synthetic.population import WalkerSettings
from meshgait.synthetic.rig import Rig
from meshgait.synthetic.sequence import RenderedSequence, SequenceJob, SequenceRenderer
from meshgait.textfiles.reading import TextFile

VERSION = 1
"""Raised when the same settings no longer give the same bytes."""

log = logging.getLogger(__name__)


def generate(
    dest: Path | str,
    settings: WalkerSettings | None = None,
    workers: int = 1,
    body: BodyModel | None = None,
    progress: bool = True,
    overwrite: bool = False,
    motions: Motions | None = None,
) -> bool:
    """Write synthetic walkers with SMPL truth as a packed store.

    The bytes depend on the settings, the body and the recorded walks alone, not on the number of workers. A killed
    run is resumed by the same call where it stopped.

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
    settings, body, dest = settings or WalkerSettings(), body or BodyModel.default(), Path(dest)
    check_workers(workers)
    source = _source(settings, body, motions)
    if overwrite:
        _make_way(dest, source)
    if _already_there(dest, source):
        return False
    jobs = plan_jobs(settings)
    with StoreWriter(dest, size=SIZE, bits=1, smpl=True, source=source) as writer:
        if writer.done:
            log.info("taking up %s at sequence %d of %d", dest, writer.done + 1, len(jobs))
        with Progress("walkers", len(jobs), "sequences", writer.done, progress) as report:
            rest = jobs[writer.done :]
            for job, sequence in zip(
                rest, _render_all(settings, body.arrays, rest, workers, motions), strict=True
            ):
                writer.add(
                    job.subject.name,
                    job.condition,
                    f"{job.view:03d}",
                    sequence.silhouettes,
                    poses=sequence.poses,
                    betas=sequence.betas,
                    cameras=sequence.cameras,
                    valid=sequence.valid,
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


def is_made(dest: Path, settings: WalkerSettings) -> bool:
    """Whether DEST holds the walkers of these settings, with the default body.

    Raises:
        OutputError: it exists with other content.
    """
    return _already_there(dest, _source(settings, BodyModel.default(), None))


def plan_jobs(settings: WalkerSettings) -> list[SequenceJob]:
    """All sequences in the order in which they are written."""
    return [
        SequenceJob(subject, condition, view)
        for subject in settings.subjects()
        for condition in settings.conditions
        for view in settings.views
    ]


def _source(settings: WalkerSettings, body: BodyModel, motions: Motions | None) -> dict[str, object]:
    """What a store says of how it was made."""
    source = {"made_by": "meshgait walkers", "version": VERSION, "body": body.hash, **settings.as_dict()}
    return source | {"motions": motions.hash} if motions else source


def _make_way(dest: Path, source: dict[str, object]) -> None:
    """Remove walkers of other settings, finished or begun; anything that is not ours stays."""
    for folder, head in ((dest, "meta.json"), (dest.with_name(dest.name + ".partial"), "head.json")):
        try:
            found = TextFile(folder / head).json(dict[str, Any]).get("source")
        except DataError:
            continue
        if isinstance(found, dict) and found.get("made_by") == source["made_by"] and found != source:
            shutil.rmtree(folder)


def _already_there(dest: Path, source: dict[str, object]) -> bool:
    """Whether the wanted store exists; another one in its place is an error."""
    if not dest.exists():
        return False
    try:
        found = Store(dest).meta.get("source", {})
    except (StoreError, NotADirectoryError) as error:
        raise OutputError(f"{dest} exists and is no packed store", "choose another folder or remove it") from error
    wanted = json.loads(json.dumps(source))
    different = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    if different:
        raise OutputError(
            f"{dest} was made with other settings ({', '.join(different)})",
            "choose another folder or pass --overwrite",
        )
    return True


def _renderer(
    settings: WalkerSettings, arrays: Mapping[str, np.ndarray], motions: Motions | None
) -> Callable[[SequenceJob], RenderedSequence]:
    """The function that makes a sequence; made once in each process."""
    return SequenceRenderer(settings, Rig(arrays), motions).render


def _render_all(
    settings: WalkerSettings,
    arrays: Mapping[str, np.ndarray],
    jobs: list[SequenceJob],
    workers: int,
    motions: Motions | None = None,
) -> Iterator[RenderedSequence]:
    """Finished sequences in the order of `jobs`."""
    return map_in_order(_renderer, (settings, arrays, motions), jobs, workers)
