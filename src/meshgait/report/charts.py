"""Charts of a report: vector graphics of `meshgait.viz.plots`, once for light and once for dark pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from meshgait.evaluation.embedding_map import record_map
from meshgait.report.blocks import Block, Grid, Picture, Section
from meshgait.report.folder import Run
from meshgait.report.recognition import Recognition, by_protocol, comparisons
from meshgait.report.tables import EXPECTED, errors_table, ranks_table
from meshgait.viz.plots import (
    Figure,
    Theme,
    cmc_figure,
    det_figure,
    embedding_figure,
    history_figure,
    to_svg,
    view_matrix_figure,
)

FIRST = ("train/loss", "val/loss", "val/rank1", "val/mpjpe")
"""Courses of training that are shown at once; the others unfold."""

SILENT = re.compile(r"epoch$|gei/|val/(rank1|rank5|mean_ap|mean_inp)_")
"""What has no course to show (the baseline), or one a condition, which would be dozens of charts."""

MOST = 600
"""Sequences at most on a map of embeddings."""

IDENTIFICATION = (
    "Each probe is looked for in the whole gallery, without the pairs that the protocol leaves out; it counts as "
    "found at rank k if a sequence of its person is among the k nearest. Protocols that average over pairs of "
    "views have another rank-1 as their headline (see Results). Intervals: the probes' subjects are resampled "
    "with replacement, the gallery stays as it is."
)
VERIFICATION = (
    "Terms of ISO/IEC 19795-1. A comparison matches if its distance is at most the threshold. FMR: share of the "
    "non-mated comparisons that match; FNMR: share of the mated ones that do not; EER: where both are equal. A "
    f"dash stands for rates that would rest on fewer than {EXPECTED} false matches. Intervals: subjects are "
    "resampled with replacement, on both sides of a comparison at once."
)


def chart(draw: Callable[[Theme], Figure], alt: str, caption: str = "") -> Picture:
    """A figure in both themes.

    Args:
        draw: makes the figure for "light" or "dark".
        alt: what it shows, in words and figures.
        caption: printed below it.
    """
    light, dark = (_uri(to_svg(draw(theme))) for theme in ("light", "dark"))
    return Picture(light, alt, caption, dark)


def _uri(svg: str) -> str:
    # a fifth less, and nobody sees a tenth of a point
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d)\d+", r"\1", path[0]).replace("\n", ""), svg)
    svg = re.sub(r">\s+<", "><", svg)
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def identification(found: Sequence[Recognition]) -> Section:
    """CMC per probe condition, all runs in one chart."""
    blocks: list[Block] = []
    for protocol, members in by_protocol([one for one in found if len(one.first.ranks)]).items():
        charts = []
        for condition in dict.fromkeys(one.condition for one in members):
            chosen = [one for one in members if one.condition == condition]
            curves = {one.run: one.cmc for one in chosen}
            bands = {one.run: tuple(one.cmc_band) for one in chosen if np.isfinite(one.cmc_band).all()}
            said = "; ".join(
                f"{one.run} {one.cmc[0]:.1f} % at rank 1, {one.cmc[4]:.1f} % at rank 5" for one in chosen
            )
            charts.append(
                chart(
                    partial(cmc_figure, curves, bands),
                    f"CMC of probes {condition}: {said}.",
                    f"probes {condition}",
                )
            )
        blocks += [Grid(f"CMC, protocol {protocol}", charts), ranks_table(members)]
    return Section("cmc", "Identification: CMC", [IDENTIFICATION if blocks else _absent("CMC")], blocks)


def verification_section(found: Sequence[Recognition]) -> Section:
    """DET per probe condition, all runs in one chart."""
    blocks: list[Block] = []
    text: list[str] = []
    for protocol, members in by_protocol([one for one in found if one.verification is not None]).items():
        charts = []
        for condition in dict.fromkeys(one.condition for one in members):
            chosen = {
                one.run: one.verification
                for one in members
                if one.condition == condition and one.verification is not None
            }
            rates = {name: one.rates for name, one in chosen.items()}
            bands = {name: tuple(one.band) for name, one in chosen.items() if np.isfinite(one.band).all()}
            said = "; ".join(f"{name} EER {rate.eer:.1f} %" for name, rate in rates.items())
            charts.append(
                chart(
                    partial(det_figure, rates, bands), f"DET of probes {condition}: {said}.", f"probes {condition}"
                )
            )
        text.append(f"Protocol {protocol}: {comparisons(members[0].record)}")
        blocks += [Grid(f"DET, protocol {protocol}", charts), errors_table(members)]
    return Section("det", "Verification: DET", [*text, VERIFICATION] if blocks else [_absent("DET")], blocks)


def _absent(what: str) -> str:
    return f"No run folder holds what {what} is made of (evaluation.npz); `meshgait fit` of stage 2 writes it."


def embeddings(runs: Sequence[Run]) -> Section:
    """A map of each run's embeddings: what is near on the map is near for the network."""
    charts = []
    for run in runs:
        if (record := run.record) is None or len(record.labels) < 3:
            continue
        shown = record_map(record, MOST)
        draw = partial(embedding_figure, shown.points, shown.persons, shown.roles)
        people = len(np.unique(shown.persons))
        alt = f"Map of {len(shown.points)} embeddings of {people} persons by {run.name}; a person has one colour."
        charts.append(chart(draw, alt, run.name))
    text = "Sequences whose embeddings are alike lie together (t-SNE); distances between groups mean little."
    blocks = [Grid("", charts)] if charts else []
    return Section("embeddings", "Embeddings", [text if blocks else _absent("a map of embeddings")], blocks)


def views(runs: Sequence[Run]) -> Section:
    """Rank-1 per pair of views: a row of charts per condition, a chart per run."""
    names = dict.fromkeys(name for run in runs for name in run.metrics.get("cells", {}))
    blocks = []
    for condition in names:
        charts = []
        for run in runs:
            cells = run.metrics.get("cells", {}).get(condition)
            values = np.asarray(cells["rank1"], float) if cells else np.zeros((0, 0))
            if not np.isfinite(values).any():
                continue
            rows, columns, title = cells["probe_views"], cells["gallery_views"], f"{run.name}, {condition}"
            draw = partial(view_matrix_figure, values, rows, columns, title)
            best, worst = (np.unravel_index(f(values), values.shape) for f in (np.nanargmax, np.nanargmin))
            said = " and ".join(
                f"{name} {values[at]:.1f} % (probe {rows[at[0]]}, gallery {columns[at[1]]})"
                for name, at in (("best", best), ("worst", worst))
            )
            charts.append(chart(draw, f"Rank-1 per pair of views of {title}: {said}."))
        blocks += [Grid(f"probes {condition}", charts)] if charts else []
    text = (
        "Rank-1 in %, each gallery view alone. The diagonal is the same view; cross-view protocols leave it out."
    )
    absent = "No run is scored by pairs of views, or none is finished."
    return Section("views", "Views", [text if blocks else absent], blocks)


def training(runs: Sequence[Run]) -> Section:
    """Courses of what was logged more than once, all runs in one chart.

    Runs that recognise come first, so that they have the colours that they have in CMC and DET.
    """
    courses = {run.name: run.history for run in sorted(runs, key=lambda run: not run.recognises)}
    names = sorted({name for each in courses.values() for name, curve in each.items() if np.ptp(curve.steps) > 0})
    names = [name for name in names if not SILENT.match(name)]
    if not names:
        return Section("training", "Training", ["No run folder holds courses of training (history.jsonl)."])

    def draw(name: str) -> Picture:
        series = {run: history[name] for run, history in courses.items() if name in history}
        said = (
            f"{run} from {v[0]:.4g} at step {s[0]} to {v[-1]:.4g} at {s[-1]}" for run, (s, v) in series.items()
        )
        return chart(partial(history_figure, series, name), f"Course of {name}: {'; '.join(said)}.")

    shown = [name for name in FIRST if name in names] or names[:2]
    rest = [name for name in names if name not in shown]
    blocks = [Grid("", [draw(name) for name in shown])]
    if rest:
        blocks.append(Grid(f"{len(rest)} more: {', '.join(rest)}", [draw(name) for name in rest], fold=True))
    return Section("training", "Training", ["Courses per probe condition are in history.jsonl."], blocks)
