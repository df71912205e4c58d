"""`meshgait export CHECKPOINT`: a trained model for others: weights, description, model card, ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from meshgait import __version__
from meshgait.atomic import atomic_folder
from meshgait.checksum import sha256_of
from meshgait.errors import ConfigError, DataError, OutputError
from meshgait.extras import require
from meshgait.progress import Progress
from meshgait.report.card import render
from meshgait.run_folder import RunFolder, read_finished, read_settings
from meshgait.stages.base import Stage
from meshgait.stages.checkpoint import DESCRIPTION, WEIGHTS, Checkpoint, read_training_checkpoint
from meshgait.stages.onnx_file import write_onnx
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from meshgait.stages.weights import learnt, write_description, write_model
from meshgait.terminal import say

STAGES: dict[str, type[Stage]] = {stage.__name__: stage for stage in (RecogniseStage, ReconstructStage)}
ONNX, CARD = "model.onnx", "README.md"
FIGURES = ("val/", "gei/")
TOLD = ("step", "seconds", "seed", "devices", "precision", "version", "git", "machine")
"""Keys of a metrics file that go into the description: no paths, no names of people."""


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "export",
        help="write a trained model to hand on: weights, description, model card, on request ONNX",
        description=f"Writes a folder of {WEIGHTS}, {DESCRIPTION} and {CARD}. It holds no body model, no "
        "marker, no path of this machine and nobody's name.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="of stage 1 or 2")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it is an earlier export")
    parser.add_argument(
        "--onnx", action="store_true", help=f"also {ONNX}: silhouettes (B, T, H, W) and mask (B, T) to embeddings"
    )
    parser.add_argument(
        "--with-classifier",
        action="store_true",
        help="keep the classifier: one vector for each training subject, that is, a template of each person",
    )
    parser.add_argument(
        "--half", action="store_true", help="store weights in half precision: a file of half the size"
    )
    parser.add_argument(
        "--metrics", type=Path, metavar="FILE", help="figures of the model (default: metrics.json of its run)"
    )
    parser.add_argument("--body", help="body file that the model was trained with, if its path has changed")
    parser.add_argument("--markers", help="marker file of that body, likewise")


def run(arguments: argparse.Namespace) -> None:
    """Read, check, write; the folder appears only when it is complete."""
    out = arguments.out
    if out.exists() and not arguments.overwrite:
        raise OutputError(f"{out} exists", "give another --out, or --overwrite")
    if out.exists() and not (out / DESCRIPTION).is_file():
        raise OutputError(f"{out} is not an earlier export, so it is not replaced", "give another --out")
    if arguments.onnx:
        require("onnx", "--onnx")
    checkpoint = read_training_checkpoint(arguments.checkpoint)
    if checkpoint.stage not in STAGES:
        raise DataError(f"{checkpoint.source} is of {checkpoint.stage}", f"give one of {' or '.join(STAGES)}")
    if arguments.onnx and checkpoint.stage != RecogniseStage.__name__:
        raise ConfigError(f"{checkpoint.source} is of stage 1, which gives no embeddings", "leave --onnx out")
    stage = STAGES[checkpoint.stage].restore(checkpoint, body=arguments.body, markers=arguments.markers)
    training, notes = provenance(checkpoint, arguments.metrics)
    choices = {"onnx": arguments.onnx, "with_classifier": arguments.with_classifier, "half": arguments.half}
    with atomic_folder(out) as partial:
        written = write_export(stage, training, partial, out.name, **choices)
    for text in notes:
        say(f"note: {text}")
    for file, text in written.items():
        say(f"{out / file}: {text}")


def write_export(
    stage: Stage,
    training: dict[str, Any],
    folder: Path,
    title: str,
    onnx: bool,
    with_classifier: bool,
    half: bool = False,
) -> dict[str, str]:
    """Write all files to ``folder``; returns a description of each.

    Args:
        stage: in evaluation mode.
        training: where the weights come from.
        folder: to write to.
        title: of the model card.
        onnx: whether to write ONNX too.
        with_classifier: whether to keep the vectors of the training subjects.
        half: whether to store weights in half precision.
    """
    with Progress("exporting", 2 + onnx, "files") as progress:
        progress.reach(0, WEIGHTS)
        name, state = type(stage).__name__, stage.state_dict()
        description = write_model(folder, name, stage.settings, state, with_classifier, half, training=training)
        weights = description["weights"]
        written = {WEIGHTS: f"{weights['tensors']} tensors, {weights['values'] / 1e6:.2f} M values"}
        if onnx:
            progress.advance(1, ONNX)
            about = {"meshgait": __version__, "weights": weights["sha256"]}
            assert isinstance(stage, RecogniseStage)  # the caller has checked it
            worst = write_onnx(stage.network, stage.network.size.frame, folder / ONNX, about)
            description["onnx"] = {"sha256": sha256_of(folder / ONNX)}
            written[ONNX] = f"silhouettes and mask to embeddings; differs by {worst:.0e} at most in onnxruntime"
        progress.advance(1, CARD)
        write_description(folder, description)
        shapes = {name: tuple(value.shape) for name, value in learnt(state, with_classifier).items()}
        (folder / CARD).write_text(render(title, description, shapes), encoding="utf-8")
        progress.advance()
    kept = "with" if with_classifier else "without"
    written[DESCRIPTION] = f"settings, SHA-256 of the weights, data hash, figures; {kept} classifier"
    written[CARD] = "model card; fill in its gaps before you hand the model on"
    return written


def provenance(checkpoint: Checkpoint, metrics: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Where weights come from, without paths, and notes on what could not be found.

    Args:
        checkpoint: of a training, in RUN/checkpoints.
        metrics: metrics file; None for that of the run.
    """
    run, step = RunFolder(Path(checkpoint.source).absolute().parent.parent), checkpoint.step
    told: dict[str, Any] = {"step": step, "subjects": checkpoint.settings.get("num_subjects")}
    notes = []
    file = metrics or run.metrics()
    if metrics or file.is_file():
        found = read_finished(file)
        if metrics is None and found.get("step") != step:
            notes.append(f"no figures: those of {file} are of step {found.get('step')}, the checkpoint of {step}")
        elif found.get("partial"):
            notes.append(f"no figures: those of {file} are of a part of the batches; validate the whole")
        else:
            told |= {name: found[name] for name in TOLD if name in found and name != "step"}
            told |= {"protocol": found["protocol"], "data": found["data"].get("hash")}
            told["figures"] = {
                name: float(value) for name, value in found["figures"].items() if name.startswith(FIGURES)
            }
    else:
        notes.append(f"no figures: {file} is not there, the run is not finished; --metrics gives another file")
    if run.config.is_file():
        told["recipe"] = recipe(run.config)
    else:
        notes.append(f"no recipe: {run.config} is not there")
    return told, notes


def recipe(path: Path) -> dict[str, Any]:
    """Settings of model and data of a run, without paths and without what is written elsewhere.

    Raises:
        DataError: the file is damaged.
    """
    content = read_settings(path)
    parts = {part: _arguments(path, content, part) for part in ("model", "data")}
    elsewhere = {"size", "num_subjects", "pretrained", "store", "body_store", "partition"}
    if isinstance(body := parts["model"].get("body"), dict):
        parts["model"]["body"] = {name: value for name, value in body.items() if name not in ("file", "markers")}
    return {
        part: {
            name: value
            for name, value in settings.items()
            if name not in elsewhere and not any(set(text) & set("/\\~") for text in _texts(value))
        }
        for part, settings in parts.items()
    }


def _arguments(path: Path, content: dict[str, Any], part: str) -> dict[str, Any]:
    """Arguments of a part's class."""
    try:
        return dict(content[part]["init_args"])
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{path} holds no settings of a run ({part}.init_args is missing)", "restore it or remove it"
        ) from None


def _texts(value: object) -> list[str]:
    """All strings within a setting, nested ones included: any may be a path."""
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []
