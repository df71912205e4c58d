"""`meshgait evaluate EMBEDDINGS --protocol NAME`: score embeddings of any system by a benchmark's protocol."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.allocator import reuse_freed_memory
from meshgait.atomic import atomic_file
from meshgait.data.custom_protocol import CustomProtocol
from meshgait.data.partitions import Partition
from meshgait.data.protocols import PROTOCOLS, EvaluationProtocol, Selection, get_protocol
from meshgait.errors import ConfigError
from meshgait.evaluation.distances import Distance
from meshgait.evaluation.embeddings import Embeddings
from meshgait.evaluation.openset import HELD_OUT, open_set
from meshgait.evaluation.scoring import Scores, evaluate
from meshgait.evaluation.submission import nearest_rows, write_submission
from meshgait.evaluation.verification import verification
from meshgait.protocol_evaluation import select_embedded, sequence_names
from meshgait.terminal import PlainTable, console, say
from meshgait.textfiles.json_text import finite

MEASURES = {"rank1": "rank1", "rank5": "rank5", "rank10": "rank10", "mAP": "mean_ap", "mINP": "mean_inp"}
FAR = (0.1, 1.0)
FPIR = (1.0, 10.0)


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "evaluate",
        help="score embeddings of any system by a benchmark's protocol",
        description="Score embeddings of any system. The file holds embeddings (N, dim, strips) or (N, dim), "
        "labels, types, views (N,) and, if need be, probe_set (strings id-type-view). Every sequence of it is "
        "scored, whatever subjects a benchmark trains on, but for those that its array `split` calls train.",
    )
    parser.add_argument("embeddings", type=Path, help=".npz, or a folder of .npy files (memory-mapped)")
    parser.add_argument("--protocol", required=True, help=f"one of {', '.join(PROTOCOLS)}, csv")
    parser.add_argument("--metric", default="euclidean", choices=("euclidean", "cosine"), help="of the embeddings")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures here")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="protocol csv: subject, condition, view, role")
    parser.add_argument(
        "--exclude", choices=("none", "same_view", "same_subject_and_view"), help="protocol csv: pairs left out"
    )
    parser.add_argument(
        "--scoring", choices=("pooled", "cells", "views"), help="protocol csv: cells is rank-1 per pair of views"
    )
    parser.add_argument(
        "--partition", type=Path, metavar="JSON", help="score its TEST_SET alone, with its PROBE_SET if it has one"
    )
    parser.add_argument(
        "--test-only", action="store_true", help="leave out the subjects that the benchmark trains on"
    )
    parser.add_argument("--submission", type=Path, metavar="CSV", help="protocol grew: write the server's file")
    parser.add_argument("--verification", action="store_true", help="also EER and TAR at FAR, with intervals")
    parser.add_argument("--open-set", action="store_true", help="also FNIR at FPIR, with intervals")
    parser.add_argument(
        "--held-out",
        type=float,
        default=HELD_OUT,
        metavar="SHARE",
        help="of the gallery's subjects, for --open-set",
    )
    parser.add_argument("--seed", type=int, default=0, help="of --open-set and of the intervals")


def run(arguments: argparse.Namespace) -> None:
    """Score, print, write."""
    reuse_freed_memory()  # blocks of tens of megabytes are allocated repeatedly
    _check(arguments)
    given = Embeddings.read(arguments.embeddings)
    rules = CustomProtocol.read(arguments.csv) if arguments.csv else None
    protocol = rules.protocol if rules else get_protocol(arguments.protocol)
    if protocol.scoring == "hidden" and not arguments.submission:
        raise ConfigError(
            f"the probe labels of {protocol.name} are not public: write the server's file (--submission OUT.csv) "
            "or score the test subjects' own sequences with --protocol grew-local"
        )
    task = _select(given, protocol, rules, arguments)
    if arguments.submission:
        _submit(given, task, arguments)
        return
    scores = evaluate(given.vectors, task, arguments.metric, progress=True)
    result = {"protocol": arguments.protocol, "metric": arguments.metric, **figures(scores, protocol)}
    record = _Record(given.vectors.numpy(), arguments.metric, task)
    if arguments.verification:
        result["verification"] = {name: _verification(record, name, arguments.seed) for name in scores}
    if arguments.open_set:
        if protocol.impostors:  # probes of subjects without a gallery sequence matter in an open set only
            task = _select(given, replace(protocol, impostors=()), rules, arguments)
            record = _Record(given.vectors.numpy(), arguments.metric, task)
        result["open_set"] = {
            name: _open_set(record, name, task.subjects, arguments.held_out, arguments.seed) for name in scores
        }
    _print(scores, result)
    if arguments.json:
        _write(arguments.json, result)


def figures(scores: dict[str, Scores], protocol: EvaluationProtocol) -> dict[str, Any]:
    """Content of the JSON: rates in percent; one number, or one for each group of probes if there are several."""
    single = len(protocol.probes) == 1

    def grouped(values: dict[str, Any]) -> Any:  # noqa: ANN401
        return next(iter(values.values())) if single else values

    result = {
        name: grouped({group: float(getattr(score, field)) for group, score in scores.items()})
        for name, field in MEASURES.items()
    }
    for name in ("probes", "unmatched"):
        result[name] = grouped({group: getattr(score, name) for group, score in scores.items()})
    cells = {
        group: {
            "probe_views": list(score.probe_views),
            "gallery_views": list(score.gallery_views),
            "rank1": score.cells.tolist(),
        }
        for group, score in scores.items()
        if score.cells is not None
    }
    return result | ({"cells": cells} if cells else {})


@dataclass(frozen=True)
class _Record:
    """Embeddings and selection as `meshgait.evaluation.verification` needs them."""

    embeddings: np.ndarray
    distance: Distance
    selection: Selection

    def task(self) -> Selection:
        return self.selection


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that exclude each other."""
    own = arguments.protocol == "csv"
    if own and not arguments.csv:
        raise ConfigError(
            "--protocol csv needs the file: --csv FILE with the columns subject, condition, view, role"
        )
    for name in ("csv", "exclude", "scoring"):
        if getattr(arguments, name) and not own:
            raise ConfigError(f"--{name} is for --protocol csv", "leave it out or name that protocol")
    if own and (arguments.partition or arguments.test_only):
        raise ConfigError("--protocol csv says by itself what is tested", "leave out --partition and --test-only")
    if not own:
        hidden = get_protocol(arguments.protocol).scoring == "hidden"
        if arguments.submission and not hidden:
            raise ConfigError("--submission is for --protocol grew", "the others are scored here: leave it out")
    if not 0 <= arguments.held_out < 1:
        raise ConfigError(f"--held-out is {arguments.held_out}", "it must be at least 0 and below 1")


def _select(
    given: Embeddings, protocol: EvaluationProtocol, rules: CustomProtocol | None, arguments: argparse.Namespace
) -> Selection:
    if rules:
        return rules.select(sequence_names(given), arguments.exclude or "none", arguments.scoring or "pooled")
    partition = Partition.read(arguments.partition) if arguments.partition else None
    return select_embedded(given, protocol, partition, arguments.test_only)


def _verification(record: _Record, condition: str, seed: int) -> dict[str, Any]:
    found = verification(record, condition, seed=seed)
    accepted = {f"{far:g}": 100 - float(found.rates.fnmr_at(far)) for far in FAR}
    bands = {f"{far:g}": (100 - found.fnmr_interval(far)[::-1]).tolist() for far in FAR}
    return {
        "eer": found.rates.eer,
        "eer_interval": found.eer_interval.tolist(),
        "tar_at_far": accepted,
        "tar_at_far_interval": bands,
        "mated": found.mated,
        "nonmated": found.nonmated,
        "subjects": found.subjects,
    }


def _open_set(
    record: _Record, condition: str, subjects: tuple[str, ...], held_out: float, seed: int
) -> dict[str, Any]:
    found = open_set(record, condition, FPIR, held_out, seed=seed)
    keys = [f"{rate:g}" for rate in FPIR]
    return {
        "fnir_at_fpir": dict(zip(keys, found.fnir.tolist(), strict=True)),
        "fnir_at_fpir_interval": dict(zip(keys, found.band.T.tolist(), strict=True)),
        "mated": found.mated,
        "nonmated": found.nonmated,
        "held_out": [subjects[label] for label in found.held_out],
        "seed": seed,
    }


def _submit(given: Embeddings, task: Selection, arguments: argparse.Namespace) -> None:
    """Write a submission; GREW's probes are in `probe/03/VIDEO`, where the video is read as their view."""
    probes = np.flatnonzero(np.logical_or.reduce(list(task.probes.values())))
    found = nearest_rows(given.vectors, probes, np.flatnonzero(task.gallery), arguments.metric)
    write_submission(arguments.submission, given.views[probes], given.labels[found])
    say(f"{arguments.submission}: {len(probes)} probes, the {found.shape[1]} nearest of each")


def _print(scores: dict[str, Scores], result: dict[str, Any]) -> None:
    out = console()
    table = PlainTable(title=f"protocol {result['protocol']}, {result['metric']} (%)", title_justify="left")
    table.add_column("probes")
    for name in MEASURES:
        table.add_column(name, justify="right")
    for group, score in scores.items():
        table.add_row(group, *(f"{getattr(score, field):.2f}" for field in MEASURES.values()))
    out.print(table)
    for name, found in result.get("verification", {}).items():
        low, high = found["eer_interval"]
        rates = ", ".join(f"TAR {rate:.2f} at FAR {far}" for far, rate in found["tar_at_far"].items())
        out.print(f"{name}: EER {found['eer']:.2f} ({low:.2f} to {high:.2f}), {rates} (%)")
    for name, found in result.get("open_set", {}).items():
        misses = (
            f"FNIR {rate:.2f} ({'{:.2f} to {:.2f}'.format(*found['fnir_at_fpir_interval'][fpir])}) at FPIR {fpir}"
            for fpir, rate in found["fnir_at_fpir"].items()
        )
        out.print(f"{name}: {', '.join(misses)} (%), {len(found['held_out'])} subjects held out")


def _write(path: Path, result: dict[str, Any]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(finite(result), indent=1, allow_nan=False) + "\n", encoding="utf-8")
