"""Tables of a report: what the runs are, their figures, their settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from meshgait.report.blocks import Block, Grid, Section, Table
from meshgait.report.folder import Run
from meshgait.report.privacy import without_secrets
from meshgait.report.recognition import Recognition

NONE = "–"
USUAL = ("nm", "bg", "cl")
BODY = {"MPJPE": "val/mpjpe", "PA-MPJPE": "val/pa_mpjpe", "MPVPE": "val/mpvpe"}
FALSE_MATCHES = (10.0, 1.0, 0.1)
EXPECTED = 30
"""False matches that a rate must rest on: with fewer, its error exceeds some 30 % of it (Doddington's rule)."""
RANKS = (1, 5, 10, 20)
RATES = (
    "Rank-1 as the protocol scores it, per probe condition. mAP: mean average precision; mINP: mean inverse "
    "negative penalty, of the last match; GEI baseline: nearest neighbour of mean silhouettes on the same data."
)
ERRORS = (
    "MPJPE: mean distance of the joints from their true places; PA-MPJPE: the same after the best rotation, shift "
    "and scale; MPVPE: of the mesh's vertices."
)


def summary(runs: Sequence[Run]) -> Section:
    """What each run is of, and what the page lacks of it."""
    rows = [("stage", *map(_stage, runs))]
    state = ["finished" if run.metrics else "not finished" for run in runs]
    rows.append(("state", *state))
    facts = {
        "protocol": lambda m: m.get("protocol"),
        "data": lambda m: _path(m),
        "hash of the data": lambda m: m.get("data", {}).get("hash"),
        "training steps": lambda m: m.get("step"),
        "parameters": lambda m: f"{m['parameters']:,}" if "parameters" in m else None,
        "seed": lambda m: m.get("seed"),
        "time": lambda m: _time(m.get("seconds")),
        "machine": lambda m: m.get("machine"),
        "devices, precision": lambda m: f"{m['devices']}, {m.get('precision')}" if "devices" in m else None,
        "version, commit": lambda m: f"{m['version']}, {m.get('git') or NONE}" if "version" in m else None,
    }
    rows += [(name, *(_word(read(run.metrics)) for run in runs)) for name, read in facts.items()]
    text = [f"{run.name}: not in this page: {'; '.join(run.missing)}." for run in runs if run.missing]
    hashes = {run.metrics["data"].get("hash") for run in runs if isinstance(run.metrics.get("data"), dict)}
    if len(hashes) > 1:
        text.insert(0, "These runs are of different data: their figures must not be compared directly.")
    table = Table("What each run is", ("", *(run.name for run in runs)), rows, words=True)
    return Section("runs", "Runs", text, [table])


def results(runs: Sequence[Run]) -> Section:
    """Recognition per protocol, the baseline of each data set first, and errors in 3D."""
    recognisers = [run for run in runs if "val/rank1" in run.figures]
    blocks = [
        _recognition([run for run in recognisers if run.metrics.get("protocol") == protocol], str(protocol))
        for protocol in dict.fromkeys(run.metrics.get("protocol") for run in recognisers)
    ]
    bodies = [run for run in runs if "val/mpjpe" in run.figures]
    if bodies:
        rows = [(run.name, *(_one(run.figures.get(key)) for key in BODY.values())) for run in bodies]
        blocks.append(Table("3D on held-out subjects, mean error in mm", ("run", *BODY), rows))
    text = [RATES] if recognisers else []
    text += [ERRORS] if bodies else []
    return Section("results", "Results", text if blocks else ["No run has final figures yet."], blocks)


def _recognition(runs: Sequence[Run], protocol: str) -> Table:
    names = dict.fromkeys(name for run in runs for name in _conditions(run.figures))
    conditions = sorted(names, key=lambda name: (USUAL.index(name) if name in USUAL else len(USUAL), name))
    hashes = [run.metrics.get("data", {}).get("hash") for run in runs]
    rows = []
    for number, run in enumerate(runs):
        if hashes[number] not in hashes[:number] and "gei/rank1" in run.figures:
            of = f", {_path(run.metrics)}" if len(set(hashes)) > 1 else ""
            rows.append((f"GEI baseline{of}", *_rates(run.figures, "gei", conditions)))
        rows.append((run.name, *_rates(run.figures, "val", conditions)))
    groups = [("", 1), ("rank-1 %", len(conditions) + 1), ("mAP %", len(conditions) + 1), ("mean", 2)]
    columns = ("run", *conditions, "mean", *conditions, "mean", "rank-5", "mINP")
    return Table(f"Recognition of held-out subjects, protocol {protocol}", columns, rows, groups)


def _conditions(figures: dict[str, float]) -> list[str]:
    return [name.removeprefix("val/rank1_") for name in figures if name.startswith("val/rank1_")]


def _rates(figures: dict[str, float], prefix: str, conditions: Sequence[str]) -> list[str]:
    cells: list[str] = []
    for measure, each in (("rank1", True), ("mean_ap", True), ("rank5", False), ("mean_inp", False)):
        values = [figures.get(f"{prefix}/{measure}_{name}") for name in conditions]
        known = [value for value in values if value is not None]
        cells += map(_one, values if each else [])
        cells.append(_one(float(np.mean(known)) if known else None))
    return cells


def ranks_table(found: Sequence[Recognition]) -> Table:
    """Identification rates with intervals."""
    rows = []
    for one in found:
        cells = [_with_interval(one.cmc[rank - 1], one.cmc_band[:, rank - 1]) for rank in RANKS]
        counts = (len(one.first.ranks), len(np.unique(one.first.labels)), int(one.record.gallery.sum()))
        rows.append((f"{one.run}, {one.condition}", *cells, *(f"{count:,}" for count in counts)))
    columns = ("run, probes", *(f"rank {rank}" for rank in RANKS), "probes", "subjects", "gallery")
    return Table("Identification rate in % (95 % interval over subjects)", columns, rows)


def errors_table(found: Sequence[Recognition]) -> Table:
    """EER and FNMR at fixed FMR with intervals, and how many comparisons they rest on."""
    rows = []
    for one in found:
        result = one.verification
        if result is None:
            continue
        cells = [_with_interval(result.rates.eer, result.eer_interval)]
        for fmr in FALSE_MATCHES:
            known = result.nonmated * fmr / 100 >= EXPECTED
            value = _with_interval(float(result.rates.fnmr_at(fmr)), result.fnmr_interval(fmr)) if known else NONE
            cells.append(value)
        counts = (result.mated, result.nonmated, result.subjects)
        rows.append((f"{one.run}, {one.condition}", *cells, *(f"{count:,}" for count in counts)))
    heads = (f"FNMR at FMR {fmr:g} %" for fmr in FALSE_MATCHES)
    columns = ("run, probes", "EER", *heads, "mated", "non-mated", "subjects")
    return Table("Error rates in % (95 % interval over subjects) and numbers of comparisons", columns, rows)


def settings(runs: Sequence[Run]) -> Section:
    """All settings; those in which the runs differ come first."""
    known = [run for run in runs if run.settings]
    if not known:
        return Section("settings", "Settings", ["No run folder holds its settings (config.yaml)."])
    names = list(dict.fromkeys(name for run in known for name in run.settings))
    everywhere = [name for name in names if all(name in run.settings for run in known)]
    differing = [name for name in everywhere if len({run.settings[name] for run in known}) > 1]
    partly = [name for name in names if name not in everywhere]

    def table(caption: str, chosen: Sequence[str]) -> Table:
        rows = [(name, *(_setting(run, name) for run in known)) for name in chosen]
        return Table(caption, ("setting", *(run.name for run in known)), rows, words=True)

    if len(known) == 1:
        return Section("settings", "Settings", [], [Grid("All settings", [table("Settings", names)], fold=True)])
    blocks: list[Block] = []
    text: list[str] = []
    if differing:
        blocks.append(table("Settings in which the runs differ", differing))
    else:
        text.append("The runs have equal settings, as far as they share them.")
    if partly:
        blocks.append(Grid("Settings that only some of the runs have", [table("Only in some", partly)], fold=True))
    equal = [name for name in everywhere if name not in differing]
    if equal:
        rows = [(name, _setting(known[0], name)) for name in equal]
        same = Table("Equal settings", ("setting", "value"), rows, words=True)
        blocks.append(Grid("Settings that are equal", [same], fold=True))
    return Section("settings", "Settings", text, blocks)


def _setting(run: Run, name: str) -> str:
    return without_secrets(run.settings.get(name, NONE), name)


def _path(metrics: dict[str, Any]) -> str | None:
    path = metrics.get("data", {}).get("path")
    return None if path is None else without_secrets(str(path))


def _stage(run: Run) -> str:
    name = str(run.metrics.get("stage") or run.settings.get("model.class_path", "")).rsplit(".", 1)[-1]
    if name == "ReconstructStage":
        return "1: 3D heatmaps"
    if name == "RecogniseStage" or run.recognises:
        with_body = run.metrics.get("uses_3d", run.settings.get("model.network.use_3d") == "true")
        return "2: recognition with 3D" if with_body else "2: recognition, 2D only"
    return name or NONE


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _word(value: object) -> str:
    return NONE if value is None else str(value)


def _one(value: float | None) -> str:
    return NONE if value is None or np.isnan(value) else f"{value:.1f}"


def _with_interval(value: float, interval: np.ndarray) -> str:
    if np.isnan(value):
        return NONE
    low, high = interval
    return f"{value:.1f}" if np.isnan(low) else f"{value:.1f} ({low:.1f}{NONE}{high:.1f})"
