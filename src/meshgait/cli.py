"""The `meshgait` command: fit, validate, test, predict by LightningCLI, and the tools' verbs.

Configuration exists here only: every class below takes plain typed arguments.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from rich.console import Console

from meshgait import __version__
from meshgait.allocator import reuse_freed_memory
from meshgait.errors import ConfigError, MeshGaitError
from meshgait.messages import note, say

TRAINING = {
    "fit": "train a stage: meshgait fit --config experiments/pretrain/walkers.yaml",
    "validate": "evaluate a stage on its validation data",
    "test": "evaluate a checkpoint, also on other data",
    "predict": "write the embeddings of a packed store, with --config and --ckpt_path",
}
TOOLS = {
    "body": "describe or import a body model",
    "markers": "learn virtual markers of a body",
    "silhouettes": "cut the walkers of a video out as silhouettes",
    "walkers": "write synthetic walkers with SMPL truth as a packed store",
    "pack": "convert a data set to a packed store",
    "check": "what is wrong with a packed store, with remedies",
    "embed": "write the embeddings of walks",
    "reconstruct": "write joints, markers, heatmaps, skeleton and mesh of one walker",
    "evaluate": "score embeddings of any system by a benchmark's protocol",
    "compare": "print one table of the runs' figures",
    "profile": "what a network costs: parameters, FLOPs, times, memory",
    "report": "write one page of runs side by side: settings, curves, tables, pictures, meshes to turn",
    "sweep": "search settings with a W&B sweep file, here or at W&B",
    "trial": "one trial of a sweep: one or more experiments in a row",
    "export": "write a trained model to hand on: weights, description, model card, on request ONNX",
    "enrol": "add walks of a person to a gallery",
    "identify": "who is it, or nobody in the gallery",
    "gallery": "look after a gallery: people, threshold, error rates, copies",
    "serve": "a web page on this computer: drop a video, enrol, identify, erase",
}
OF_ONE_WALKER = ("--checkpoint", "--person", "--out", "--overwrite", "--frame", "--stature")
"""Arguments of `predict PATH` as it was; `predict` of a stage knows none of them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 success, 2 a user's error, 143 stopped by a signal)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        refuse_moved(argv)
        if argv[:1] == ["score"]:  # scripts use it; it will be removed in the next release
            note("`meshgait score` is now `meshgait evaluate`")
            argv[0] = "evaluate"
        if argv and argv[0] in TRAINING:
            return _train(argv)
        return _tool(argv)
    except MeshGaitError as error:
        say(error)
        return error.status
    except KeyboardInterrupt:
        say("interrupted; what was written so far is whole, repeat the command to go on")
        return 130


def refuse_moved(argv: Sequence[str]) -> None:
    """Refuse old names of verbs, saying the new ones.

    Raises:
        ConfigError: with the new name.
    """
    verb, words = (argv[0], argv[1:]) if argv else ("", [])
    first = words[0] if words and not words[0].startswith("-") else None
    if verb == "predict" and (first or any(word.split("=")[0] in OF_ONE_WALKER for word in words)):
        raise ConfigError(
            "`meshgait predict PATH` is now two verbs",
            "`meshgait embed PATH` writes the embedding, `meshgait reconstruct PATH` joints, markers and meshes",
        )
    if verb == "evaluate" and (_is_run(first) or {"--views", "--errors"}.intersection(words)):
        raise ConfigError("`meshgait evaluate RUN` is now `meshgait compare RUN`", "its arguments are the same")


def _is_run(word: str | None) -> bool:
    """Whether this is a run folder or a metrics file, not a folder of embeddings."""
    path = Path(word or "")
    return word is not None and (path.suffix == ".json" or (path.is_dir() and not any(path.glob("*.npy"))))


def _train(argv: Sequence[str]) -> int:
    reuse_freed_memory()
    return _load("meshgait.training").run(argv)  # it imports torch, so it is imported only when needed


def _tool(argv: Sequence[str]) -> int:
    wanted = argv[0] if argv and argv[0] in TOOLS else None
    parser = _Parser(prog="meshgait", description="Gait recognition from silhouettes by way of 3D heatmaps.")
    parser.add_argument("--version", action="version", version=f"meshgait {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)
    for name, text in TRAINING.items():
        verbs.add_parser(name, help=text, add_help=False)
    for name, text in TOOLS.items():
        if name == wanted:  # only the verb in use is imported: others may load slowly
            _load(f"meshgait.tools.{name}").add_parser(verbs)
        else:
            verbs.add_parser(name, help=text, add_help=False)
    arguments = parser.parse_args(argv)
    if wanted is None:
        parser.print_help()
        return 0 if not argv else 2
    return importlib.import_module(f"meshgait.tools.{wanted}").run(arguments) or 0


def _load(module: str) -> ModuleType:
    """Import a module, with a message on a terminal, as PyTorch takes seconds to load."""
    console = Console()
    if not console.is_interactive:
        return importlib.import_module(module)
    with console.status("loading"):
        return importlib.import_module(module)


class _Parser(argparse.ArgumentParser):
    """Raises errors as `ConfigError`, which prints one line with the remedy."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}", f"see `{self.prog} --help`")


if __name__ == "__main__":
    sys.exit(main())
