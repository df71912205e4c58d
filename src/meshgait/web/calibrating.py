"""Calibration from the page: strangers are read or drawn, embedded and compared, while the page goes on.

It works on the gallery as another process would, with a connection of its own, so that nobody waits for it.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from meshgait.errors import ConfigError, MeshGaitError
from meshgait.gallery.gallery import Gallery
from meshgait.gallery.records import Calibration
from meshgait.gallery.sources import Pass, people_of
from meshgait.synthetic.generate import generate
from meshgait.synthetic.population import WalkerSettings

if TYPE_CHECKING:
    from meshgait.recogniser import Recogniser, Walk

DRAWN = WalkerSettings(bodies=60, styles=60, views=(90, 270), conditions=("nm-01",), frames=40, noise="mixed")
"""Synthetic strangers, two people for each body, where no others are given."""
WALKS = 4
"""Of each stranger at most."""
NAMED = 3
"""Sources of strangers that the page names."""


class Calibrating:
    """Calibrates a gallery in the background, once at a time.

    Args:
        path: of the gallery.
        strangers: sources of people who are not enrolled; without one, synthetic walkers are drawn.

    Attributes:
        busy: whether it is at work.
        doing: what it does now, in words.
        share: of that, from 0 to 1; None: it cannot be told.
        error: why the last one failed; "" if it did not.
        done: the last calibration that was made here.
    """

    def __init__(self, path: Path, strangers: Sequence[str] = ()) -> None:
        self._path, self._strangers = path, tuple(strangers)
        self._lock, self._ended = threading.Lock(), threading.Event()
        self.busy = False
        self.doing, self.error = "", ""
        self.share: float | None = None
        self.done: Calibration | None = None

    @property
    def strangers(self) -> str:
        """Whom the enrolled are compared with, in words."""
        if not self._strangers:
            return f"{2 * DRAWN.bodies} synthetic walkers, which are drawn for it"
        more = len(self._strangers) - NAMED
        return ", ".join(self._strangers[:NAMED]) + (f" and {more} more" if more > 0 else "")

    def begin(self, model: Recogniser, fpir: float) -> None:
        """Begin to calibrate at a rate in percent; nothing happens if it is at work already.

        Args:
            model: of the gallery.
            fpir: false-positive identification rate in percent.
        """
        with self._lock:
            if self.busy:
                return
            self.busy, self.error, self.done = True, "", None
            self.doing, self.share = "reading the gallery", None
        threading.Thread(target=self._run, args=(model, fpir), daemon=True).start()

    def close(self) -> None:
        """Stop before the next walk; the gallery stays as it is."""
        self._ended.set()

    def _run(self, model: Recogniser, fpir: float) -> None:
        try:
            self.done = self._calibrate(model, fpir)
        except MeshGaitError as error:
            self.error = str(error)
        except Exception as error:  # a thread has nobody else who would hear of it
            self.error = f"the gallery could not be calibrated ({type(error).__name__})"
        finally:
            self.busy = False

    def _calibrate(self, model: Recogniser, fpir: float) -> Calibration:
        prefix = "meshgait-serve-strangers-"
        with (
            Gallery(self._path, model) as gallery,
            tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder,
        ):
            gallery.prepare()
            people = people_of(self._strangers, WALKS) if self._strangers else self._drawn(Path(folder))
            return gallery.calibrate(self._counted(people), fpir)

    def _drawn(self, folder: Path) -> Mapping[str, list[Pass]]:
        """Synthetic strangers, who are drawn when the first one is read: not if they are too few for the rate."""
        made: dict[str, list[Pass]] = {}

        def read(name: str, number: int) -> Walk:
            if not made:
                self.doing = f"drawing {2 * DRAWN.bodies} synthetic walkers, which takes a minute or two"
                generate(folder / "strangers", DRAWN, progress=False)
                made.update(people_of([str(folder / "strangers")]))
            walk = made[name][number].walk
            return walk() if callable(walk) else walk

        walks = len(DRAWN.views) * len(DRAWN.conditions)
        return {
            one.name: [Pass(partial(read, one.name, number)) for number in range(walks)]
            for one in DRAWN.subjects()
        }

    def _counted(self, people: Mapping[str, list[Pass]]) -> Mapping[str, list[Pass]]:
        """The same walks, which tell when they are read how far it is."""
        total, read = sum(map(len, people.values())), 0

        def told(one: Pass) -> Pass:
            def walk() -> Walk:
                nonlocal read
                if self._ended.is_set():
                    raise ConfigError("the page was closed")
                given = one.walk() if callable(one.walk) else one.walk
                read += 1
                self.doing, self.share = f"comparing walk {read:,} of {total:,} of strangers", read / total
                return given

            return replace(one, walk=walk)

        return {name: [told(one) for one in passes] for name, passes in people.items()}
