"""Pictures of a sweep: how much each setting matters, and which values go with which result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from meshgait.viz.labels import label
from meshgait.viz.plots import CYCLE, FONT, GRID, INK, PAPER

INKED, GREY, BEST = INK["light"], GRID["light"], CYCLE["light"][0]
WORSE = LinearSegmentedColormap.from_list("worse", ("#0b3d6b", "#3f7fb5", "#c3d3e2"))
TICKS = 5
CLEAR = 0.045
"""Least distance of labels, as a share of the height."""


def importance_figure(importances: Mapping[str, float], metric: str, trials: int) -> Figure:
    """Bars of how much of the differences between trials each setting explains.

    Args:
        importances: share per setting; they add up to 1.
        metric: what is explained.
        trials: number that it is from.
    """
    figure = Figure(figsize=(6.4, 1.2 + 0.36 * len(importances)), facecolor=PAPER["light"], layout="constrained")
    axes = figure.add_subplot()
    shares = 100 * np.array(list(importances.values())[::-1])
    names = [label(name) for name in importances][::-1]
    bars = axes.barh(range(len(names)), shares, tick_label=names, color=CYCLE["light"][1], height=0.62)
    axes.bar_label(bars, [f"{share:.0f}" for share in shares], padding=3, fontsize=FONT, color=INKED)
    axes.set_xlim(0, max(10.0, 1.12 * float(shares.max(initial=0))))
    axes.set_xlabel(
        f"share of the differences in {label(metric)} that it explains, % (fANOVA)", fontsize=FONT, color=INKED
    )
    axes.set_title(f"What matters, from {trials} trials", loc="left", fontsize=FONT + 1, color=INKED)
    axes.tick_params(labelsize=FONT, colors=INKED, length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.xaxis.grid(True, color=GREY, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure


def parallel_figure(
    results: Sequence[float],
    settings: Mapping[str, Sequence[object]],
    metric: str,
    maximize: bool,
    logarithmic: Sequence[str] = (),
) -> Figure:
    """One line a trial through its settings to its result; the best one stands out.

    Args:
        results: (N,) metric of each trial, not all the same.
        settings: N values of each setting; numbers, or words where a setting is one of several.
        metric: name of the results.
        maximize: whether more is better.
        logarithmic: settings that are shown on a logarithmic scale.
    """
    count = len(settings) + 1
    figure = Figure(figsize=(max(5.0, 1.5 * count), 4.2), facecolor=PAPER["light"], layout="constrained")
    axes = figure.add_subplot()
    values = np.asarray(results, float)
    columns = [_column(axes, i, settings[name], name in logarithmic) for i, name in enumerate(settings)]
    columns.append(_column(axes, count - 1, values.tolist(), False))
    lines = np.stack(columns, axis=1)
    order = np.argsort(-values if maximize else values, kind="stable")  # best first
    for rank in range(len(order))[::-1]:
        colour = WORSE(rank / max(1, len(order) - 1)) if rank else BEST
        width, dot = (1.1, 2) if rank else (2.6, 4)
        axes.plot(range(count), lines[order[rank]], color=colour, linewidth=width, marker="o", markersize=dot)
    axes.set_xticks(range(count), [_broken(name) for name in (*settings, metric)], fontsize=FONT, color=INKED)
    axes.set(xlim=(-0.45, count - 0.9), ylim=(-0.06, 1.06), yticks=[])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    best = f"{label(metric)} {values[order[0]]:.4g}"
    title = f"{len(values)} trials, the best one ({best}) in orange; the darker, the better"
    axes.set_title(title, loc="left", fontsize=FONT + 1, color=INKED)
    return figure


def _column(axes: Axes, place: int, values: Sequence[object], logarithmic: bool) -> np.ndarray:
    """Draw one axis with its labels; returns heights in 0..1 of the values."""
    axes.axvline(place, color=INKED, linewidth=0.8, zorder=0)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        scaled = np.log10(np.array(values, float)) if logarithmic else np.array(values, float)
        low, width = scaled.min(), np.ptp(scaled) or 1.0
        found = (scaled - low) / width
        pairs = sorted(zip(found.tolist(), values, strict=True))
        if len(set(values)) > TICKS:
            ticks = np.linspace(0, 1, TICKS)
            pairs = [(tick, 10 ** (low + tick * width) if logarithmic else low + tick * width) for tick in ticks]
    else:
        names = sorted({str(value) for value in values})
        found = np.array([names.index(str(value)) for value in values]) / max(1, len(names) - 1)
        pairs = sorted(zip(found.tolist(), map(str, values), strict=True))
    box = {"facecolor": PAPER["light"], "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    style: dict[str, Any] = {
        "ha": "right",
        "va": "center",
        "fontsize": FONT - 1,
        "color": INKED,
        "bbox": box,
        "zorder": 9,
    }
    below = -1.0
    for height, value in pairs:
        if height - below > CLEAR:
            below = height
            axes.text(
                place - 0.04, height, f"{value:.3g}" if isinstance(value, float) else label(str(value)), **style
            )
    return found


def _broken(name: str) -> str:
    """A dotted name on several lines."""
    return label(name).replace(".", ".\n")
