"""`meshgait compare RUN...`: the metrics of runs in one table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from meshgait.run_folder import read_finished
from meshgait.terminal import PlainTable, console


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser("compare", help="print one table of the runs' figures")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder, or a metrics file")
    parser.add_argument("--errors", action="store_true", help="also print what the wrong rank-1s have in common")
    parser.add_argument("--views", action="store_true", help="also print rank-1 per pair of views")


def run(arguments: argparse.Namespace) -> None:
    """Print the table."""
    runs = [read_finished(path) for path in arguments.runs]
    out = console()
    bodies = [run for run in runs if "val/mpjpe" in run["figures"]]
    if bodies:
        out.print(body_table(bodies))
    recognisers = [run for run in runs if "val/rank1" in run["figures"]]
    for protocol in dict.fromkeys(run["protocol"] for run in recognisers):
        out.print(recognition_table([run for run in recognisers if run["protocol"] == protocol]))
    for run in recognisers:
        if arguments.errors and "errors" in run:
            out.print(f"{run['name']}: wrong rank-1s by what both walkers share: {run['errors']}")
        if arguments.views:
            for condition, cells in run.get("cells", {}).items():
                out.print(cell_table(f"{run['name']}, {condition}: rank-1 %", cells))
    for run in runs:
        spent = "" if run["seconds"] is None else f", {run['seconds']:.0f} s"
        out.print(f"{run['name']}: {run['machine']}{spent}", style="dim")


def body_table(runs: list[dict[str, Any]]) -> PlainTable:
    """Errors of joints and mesh in millimetres."""
    table = PlainTable(title="3D on held-out subjects (mm)", title_justify="left")
    table.add_column("run")
    measures = {"MPJPE": "val/mpjpe", "PA-MPJPE": "val/pa_mpjpe", "MPVPE": "val/mpvpe"}
    for name in measures:
        table.add_column(name, justify="right")
    for run in runs:
        table.add_row(run["name"], *(_figure(run["figures"].get(key)) for key in measures.values()))
    return table


def recognition_table(runs: list[dict[str, Any]]) -> PlainTable:
    """Rank-1 per probe condition, and means of the other metrics; the baseline of each data set comes first."""
    conditions = list(dict.fromkeys(c for run in runs for c in _conditions(run["figures"], "val")))
    table = PlainTable(title=f"Recognition, rank-1 %, protocol {runs[0]['protocol']}", title_justify="left")
    table.add_column("run", no_wrap=True)
    for name in (*conditions, "rank-5", "mAP", "mINP"):
        table.add_column(name, justify="right")
    shown = set()
    for run in runs:
        if run["data"]["hash"] not in shown:
            shown.add(run["data"]["hash"])
            table.add_row("GEI baseline", *_row(run["figures"], "gei", conditions))
        kind = "Mesh-Gait" if run["uses_3d"] else "2D only"
        table.add_row(f"{kind} ({run['name']})", *_row(run["figures"], "val", conditions))
    return table


def cell_table(title: str, cells: dict[str, Any]) -> PlainTable:
    """Rank-1 per probe view (rows) and gallery view (columns)."""
    table = PlainTable(title=title, title_justify="left")
    table.add_column("probe view")
    for view in cells["gallery_views"]:
        table.add_column(view, justify="right")
    for view, row in zip(cells["probe_views"], cells["rank1"], strict=True):
        table.add_row(view, *map(_figure, row))
    return table


def _conditions(figures: dict[str, float], prefix: str) -> list[str]:
    start = f"{prefix}/rank1_"
    found = [name.removeprefix(start) for name in figures if name.startswith(start)]
    usual = ["nm", "bg", "cl"]
    return sorted(found, key=lambda name: (usual.index(name) if name in usual else len(usual), name))


def _row(figures: dict[str, float], prefix: str, conditions: list[str]) -> list[str]:
    means = []
    for measure in ("rank5", "mean_ap", "mean_inp"):
        values = [figures[f"{prefix}/{measure}_{c}"] for c in conditions if f"{prefix}/{measure}_{c}" in figures]
        means.append(sum(values) / len(values) if values else None)
    return [_figure(figures.get(f"{prefix}/rank1_{c}")) for c in conditions] + [_figure(mean) for mean in means]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
