"""Calibration and evaluation of a gallery: distances of strangers, and how often its people are found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from meshgait.errors import GalleryError
from meshgait.evaluation import openset
from meshgait.evaluation.bootstrap import DRAWS, draw_subjects, interval
from meshgait.gallery import calibration
from meshgait.gallery.opened import Opened
from meshgait.gallery.records import Calibration, OpenSetRates
from meshgait.gallery.searching import Searches
from meshgait.gallery.vectors import vector_id
from meshgait.text import printable

STRANGERS, ENROLLED = "strangers", "enrolled people, searched without their own walks"
"""Groups of people who are not enrolled, or are taken as such."""


def calibrate(
    opened: Opened, strangers: Mapping[str, Sequence[np.ndarray]], fpir: float, own: bool, today: date
) -> Calibration:
    """Find the threshold of a gallery and keep it there.

    Args:
        opened: the gallery.
        strangers: vectors (S, D) of the walks of people who are not enrolled, by what they are called.
        fpir: false-positive identification rate in percent.
        own: also search each enrolled person among the others, as if a stranger.
        today: to which consents are held.

    Raises:
        ConfigError: the strangers are too few for that rate.
        GalleryError: a stranger is enrolled, or nobody is.
    """
    database, people, vectors = opened.database, opened.people, opened.vectors
    with database.writing():
        for name in strangers:
            if people.find(name) is not None:
                raise GalleryError(f"{printable(name)} is enrolled, so no stranger; leave that person out")
        searches = Searches(people, vectors, today)
        searches.require_somebody(database.path)
        groups = {STRANGERS: [_distances(searches, walks) for walks in strangers.values()]}
        if own and len(searches.people) > 1:
            groups[ENROLLED] = [
                _distances(searches, (vectors.read([vector_id(walk, False)])[0] for walk in walks), walks)
                for walks in searches.walks.values()
            ]
        found = calibration.calibrate(groups, fpir, len(searches.people))
        calibration.keep(database, found)
        people.log("calibrate", None, f"FPIR {fpir:g} % with {found.strangers} people")
    return found


def _distances(searches: Searches, walks: Iterable[np.ndarray], without: Sequence[int] = ()) -> np.ndarray:
    found = (searches.nearest(vector, without) for vector in walks)
    return np.array([nearest.distance for nearest in found if nearest is not None])


def evaluate(
    opened: Opened, probes: Mapping[str, Sequence[np.ndarray]] | None, fpir: Sequence[float], today: date
) -> OpenSetRates:
    """Error rates of a gallery.

    Without probes each enrolled walk is searched twice: without itself, which is a mated search if its person has
    another walk, and without all walks of its person, which is a non-mated one.

    Args:
        opened: the gallery.
        probes: vectors (S, D) of walks by person; who is enrolled under that name is mated, others are not.
        fpir: false-positive identification rates in percent at which FNIR is reported.
        today: to which consents are held.

    Raises:
        GalleryError: no search is mated, or all are.
    """
    database, people, vectors = opened.database, opened.people, opened.vectors
    with database.reading():
        searches = Searches(people, vectors, today)
        searches.require_somebody(database.path)
        if probes is None:
            found, remark = _left_out(opened, searches), "each enrolled walk against the others: walks of one "
            remark += "recording are more alike than walks of two days, so real errors are more frequent"
        else:
            found, remark = _of_probes(searches, probes), "probes against the gallery"
        known = calibration.kept(database)
    if not found.mated.any() or found.mated.all():
        kind = "non-mated" if found.mated.any() else "mated"
        raise GalleryError(
            f"{database.path} gives no {kind} search; enrol two people with two walks each, or give probes"
        )
    return _rates(found, np.asarray(fpir, float), None if known is None else known.threshold, remark)


def _left_out(opened: Opened, searches: Searches) -> openset.Searches:
    rows = []
    for person, walks in searches.walks.items():
        for walk in walks:
            vector = opened.vectors.read([vector_id(walk, False)])[0]
            if len(walks) > 1:
                rows.append(_row(searches, vector, [walk], person, True))
            if len(searches.people) > 1:
                rows.append(_row(searches, vector, walks, person, False))
    return _searches(rows)


def _of_probes(searches: Searches, probes: Mapping[str, Sequence[np.ndarray]]) -> openset.Searches:
    numbers = {person.name: number for number, person in searches.people.items()}
    rows = []
    for place, (name, walks) in enumerate(probes.items(), 1):
        person = numbers.get(name, -place)  # a stranger's number is nobody's
        rows += [_row(searches, vector, (), person, person > 0) for vector in walks]
    return _searches(rows)


def _row(
    searches: Searches, vector: np.ndarray, without: Sequence[int], person: int, mated: bool
) -> tuple[float, bool, int, bool]:
    nearest = searches.nearest(vector, without)
    if nearest is None:
        return np.inf, False, person, mated
    return nearest.distance, mated and nearest.person == person, person, mated


def _searches(rows: Sequence[tuple[float, bool, int, bool]]) -> openset.Searches:
    columns = zip(*rows, strict=True) if rows else ([], [], [], [])
    return openset.Searches(*map(np.array, columns, (float, bool, int, bool)))


def _rates(found: openset.Searches, fpir: np.ndarray, threshold: float | None, remark: str) -> OpenSetRates:
    people, row_of = np.unique(found.labels, return_inverse=True)
    draws = [openset.fnir(found, weight[row_of], fpir) for weight in draw_subjects(len(people), DRAWS)]
    low, high = interval(np.array(draws)) if len(people) > 1 else np.full((2, len(fpir)), np.nan)
    thresholds = np.unique(found.nearest[np.isfinite(found.nearest)])
    falsely, missed = (np.array([rate(found, value) for value in thresholds]) for rate in (_fpir, _fnir))
    return OpenSetRates(
        fpir=tuple(fpir.tolist()),
        fnir=tuple(openset.fnir(found, np.ones(len(row_of)), fpir).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        mated=int(found.mated.sum()),
        nonmated=int((~found.mated).sum()),
        people=len(np.unique(found.labels[found.mated])),
        det=(tuple(thresholds.tolist()), tuple(falsely.tolist()), tuple(missed.tolist())),
        at_threshold=None if threshold is None else (_fpir(found, threshold), _fnir(found, threshold)),
        remarks=(remark,),
    )


def _fpir(found: openset.Searches, threshold: float) -> float:
    return 100 * float((found.nearest[~found.mated] <= threshold).mean())


def _fnir(found: openset.Searches, threshold: float) -> float:
    return 100 * float(1 - (found.right & (found.nearest <= threshold))[found.mated].mean())
