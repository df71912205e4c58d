"""Plots of figures: CMC, DET, views against views, maps of embeddings, training curves.

Each function makes a matplotlib `Figure` of its own (no global state, no display), drawn to be read at 390 pixels'
width, in a light and in a dark theme.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy.stats import norm

from meshgait.viz.labels import drawing, label

Theme = Literal["light", "dark"]
Place = Literal["best", "lower right", "upper left", "upper right"]
SIZE = (4.3, 3.2)
DPI = 160
FONT = 9
PAPER = {"light": "#ffffff", "dark": "#16181e"}
INK = {"light": "#22262e", "dark": "#e1e4eb"}
GRID = {"light": "#dfe3e8", "dark": "#343944"}
CYCLE = {
    # distinct for the colour-blind too (Okabe and Ito)
    "light": ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#444444"),
    "dark": ("#ff963c", "#56b4e9", "#46c878", "#e59ac4", "#f0e442", "#9bb0ff", "#c8c8c8"),
}
HEAT = {"light": ("#ffffff", "#9fc3e6", "#0b3d6b"), "dark": ("#16181e", "#7a4a1c", "#ffb36b")}
MARKERS = "o^sDvP*X"
MOST_NAMED = 12
"""Persons that a legend can name; of more, colours are repeated and the legend names conditions alone."""
DET_TICKS = (0.01, 0.1, 1, 5, 20, 50, 80, 95)


class Rates(Protocol):
    """FMR and FNMR in percent per threshold; `meshgait.evaluation.verification.ErrorRates` has this form."""

    @property
    def fmr(self) -> np.ndarray: ...  # noqa: D102

    @property
    def fnmr(self) -> np.ndarray: ...  # noqa: D102

    @property
    def eer(self) -> float: ...  # noqa: D102


def cmc_figure(
    curves: Mapping[str, np.ndarray],
    bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    theme: Theme = "light",
) -> Figure:
    """Share of probes found within the first ranks.

    Args:
        curves: per name (R,) percent at ranks 1 to R.
        bands: per name the lower and upper ends (R,) of its interval.
        theme: light or dark.
    """
    figure, axes = _figure(theme)
    for number, (name, curve) in enumerate(curves.items()):
        ranks, colour = np.arange(1, len(curve) + 1), _colour(theme, number)
        axes.plot(
            ranks,
            curve,
            color=colour,
            label=f"{label(name)} ({curve[0]:.1f})",
            linewidth=1.8,
            marker=".",
        )
        if bands and name in bands:
            axes.fill_between(ranks, *bands[name], color=colour, alpha=0.18, linewidth=0)
    axes.set(xlabel="rank", ylabel="probes found, %")
    longest = max((len(curve) for curve in curves.values()), default=1)
    lines = [*curves.values(), *(ends[0] for ends in (bands or {}).values())]
    low = min((float(np.nanmin(line)) for line in lines if np.isfinite(line).any()), default=0)
    axes.set_ylim(max(0, 10 * np.floor(low / 10) - 5), 101)
    axes.set_xticks(sorted({1, *range(5, longest + 1, 5)}))
    _legend(axes, theme, "lower right")
    return figure


def det_figure(
    rates: Mapping[str, Rates],
    bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    theme: Theme = "light",
) -> Figure:
    """False non-matches against false matches on axes of normal deviates (Martin et al., Eurospeech 1997).

    Args:
        rates: per name.
        bands: per name the lower and upper ends of the FNMR at the curve's own points.
        theme: light or dark.
    """
    figure, axes = _figure(theme)
    low, high = DET_TICKS[0], DET_TICKS[-1]
    line = _deviate(np.array([low, high]))
    axes.plot(line, line, color=INK[theme], linewidth=0.7, linestyle=":")
    for number, (name, rate) in enumerate(rates.items()):
        colour = _colour(theme, number)
        # what lies beyond either end is drawn on the frame
        x, y = (_deviate(np.clip(values, low, high)) for values in (rate.fmr, rate.fnmr))
        axes.plot(x, y, color=colour, linewidth=1.8, label=f"{label(name)} (EER {rate.eer:.1f})")
        if bands and name in bands:
            lower, upper = (_deviate(np.clip(end, low, high)) for end in bands[name])
            axes.fill_between(x, lower, upper, color=colour, alpha=0.18, linewidth=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(_deviate(np.array(DET_TICKS)).tolist()))
        axis.set_major_formatter(FuncFormatter(lambda place, _: f"{100 * norm.cdf(place):.4g}"))
        axis.set_minor_locator(NullLocator())
    axes.set(xlabel="false matches (FMR), %", ylabel="false non-matches (FNMR), %", xlim=line, ylim=line)
    _legend(axes, theme, "upper right")
    return figure


def view_matrix_figure(
    cells: np.ndarray,
    probe_views: Sequence[str],
    gallery_views: Sequence[str],
    title: str = "",
    theme: Theme = "light",
) -> Figure:
    """Rank-1 per probe view and gallery view as a heat map with its figures.

    Args:
        cells: (probe views, gallery views) percent; not finite where there is none.
        probe_views: names of the rows.
        gallery_views: names of the columns.
        title: written above.
        theme: light or dark.
    """
    figure, axes = _figure(theme)
    colours = LinearSegmentedColormap.from_list("heat", HEAT[theme])
    axes.imshow(np.ma.masked_invalid(cells), cmap=colours, vmin=0, vmax=100, aspect="auto")
    size = FONT if max(cells.shape) <= 8 else max(4.0, FONT * 8 / max(cells.shape))
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            strong = int(value > 55)
            ink = {"light": ("#22262e", "#ffffff"), "dark": ("#e1e4eb", "#16181e")}[theme][strong]
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=size)
    axes.set_xticks(range(len(gallery_views)), map(label, gallery_views), fontsize=size)
    axes.set_yticks(range(len(probe_views)), map(label, probe_views), fontsize=size)
    axes.set(xlabel="gallery view", ylabel="probe view")
    axes.set_title(label(title, 60), fontsize=FONT, color=INK[theme])
    axes.grid(False)
    axes.tick_params(length=0)
    return figure


def embedding_figure(
    points: np.ndarray,
    labels: Sequence[str] | np.ndarray,
    conditions: Sequence[str] | np.ndarray,
    theme: Theme = "light",
) -> Figure:
    """Map of embeddings: colour = person, marker = condition.

    Args:
        points: (N, 2).
        labels: name of each point's person.
        conditions: name of each point's condition.
        theme: light or dark.
    """
    figure, axes = _figure(theme)
    persons, person_of = np.unique(np.asarray(labels, str), return_inverse=True)
    kinds, kind_of = np.unique(np.asarray(conditions, str), return_inverse=True)
    colours = _many_colours(len(persons), theme)
    for kind, name in enumerate(kinds):
        chosen = kind_of == kind
        x, y = points[chosen].T
        axes.scatter(
            x, y, c=colours[person_of[chosen]], marker=MARKERS[kind % len(MARKERS)], s=13,
            linewidths=0, alpha=0.85,
        )  # fmt: skip
        if len(kinds) > 1:
            axes.scatter([], [], color=INK[theme], marker=MARKERS[kind % len(MARKERS)], s=13, label=label(name))
    if 1 < len(persons) <= MOST_NAMED:
        for number, name in enumerate(persons):
            axes.scatter([], [], color=colours[number], marker="s", s=13, label=label(name))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{len(points)} sequences of {len(persons)} persons (colours)", fontsize=FONT, color=INK[theme])
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=FONT - 2)
        _ink(legend.get_texts(), theme)
    return figure


def history_figure(
    series: Mapping[str, tuple[np.ndarray, np.ndarray]], name: str, theme: Theme = "light"
) -> Figure:
    """One metric over the steps of training.

    Args:
        series: per run its steps and values.
        name: of the metric.
        theme: light or dark.
    """
    figure, axes = _figure(theme)
    for number, (run, (steps, values)) in enumerate(series.items()):
        marker = "." if len(steps) < 30 else ""
        axes.plot(steps, values, color=_colour(theme, number), linewidth=1.5, marker=marker, label=label(run))
    axes.set(xlabel="step", ylabel=label(name, 40))
    if len(series) > 1:
        _legend(axes, theme, "best")
    return figure


def histogram_figure(
    counts: np.ndarray, name: str, things: str, limit: tuple[float, str] | None = None, theme: Theme = "light"
) -> Figure:
    """How often values between 0 and 1 occur.

    Args:
        counts: (bins,) over 0 to 1, all of one width.
        name: of the value.
        things: what is counted.
        limit: a value marked by a line, and its label; bins that reach below stand out.
        theme: light or dark.
    """
    figure, axes = _figure(theme)
    edges = np.linspace(0, 1, len(counts) + 1)
    low = edges[:-1] < (limit[0] - 1e-9 if limit else 0)
    colours = np.where(low, _colour(theme, 0), _colour(theme, 1))
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours, edgecolor=PAPER[theme])
    if limit:
        axes.axvline(limit[0], color=INK[theme], linewidth=1, linestyle="--", label=label(limit[1]))
        _legend(axes, theme, "upper left")
    axes.set(xlabel=label(name), ylabel=label(things), xlim=(0, 1))
    return figure


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    with drawing(figure):
        figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def to_svg(figure: Figure) -> str:
    """The figure as SVG text; figures made alike give the same text."""
    buffer = io.StringIO()
    with drawing(figure):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def to_rgb(figure: Figure) -> np.ndarray:
    """The figure as an RGB picture (H, W, 3) uint8."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    with drawing(figure):
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _figure(theme: Theme) -> tuple[Figure, Axes]:
    figure = Figure(SIZE, facecolor=PAPER[theme], layout="constrained")
    axes = figure.add_subplot(facecolor=PAPER[theme])
    axes.tick_params(colors=INK[theme], labelsize=FONT - 1)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set(color=INK[theme], fontsize=FONT)
    for side, spine in axes.spines.items():
        spine.set(color=GRID[theme], visible=side in ("left", "bottom"))
    axes.grid(True, color=GRID[theme], linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _legend(axes: Axes, theme: Theme, place: Place) -> None:
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(loc=place, fontsize=FONT - 1, facecolor=PAPER[theme], edgecolor=GRID[theme])
        _ink(legend.get_texts(), theme)


def _ink(texts: Iterable, theme: Theme) -> None:
    for text in texts:
        text.set_color(INK[theme])


def _colour(theme: Theme, number: int) -> str:
    return CYCLE[theme][number % len(CYCLE[theme])]


def _many_colours(count: int, theme: Theme) -> np.ndarray:
    """(count, 3) hues spread by the golden ratio, so that neighbours in number differ most."""
    from matplotlib.colors import hsv_to_rgb

    order = np.arange(count)
    hue, ring = (order * 0.61803398875) % 1, order % 3
    bright = (0.62, 0.78, 0.5) if theme == "light" else (0.95, 0.8, 1.0)
    return hsv_to_rgb(np.stack([hue, np.choose(ring, (0.85, 0.6, 0.95)), np.choose(ring, bright)], axis=-1))


def _deviate(percent: np.ndarray) -> np.ndarray:
    return norm.ppf(np.asarray(percent, float) / 100)
