"""The best settings of a sweep as experiment YAML: the base experiment with what the trial changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meshgait.errors import ConfigError
from meshgait.run_folder import RunFolder, read_settings
from meshgait.sweeps.command import Command
from meshgait.textfiles.reading import TextFile
from meshgait.textfiles.yaml_text import parse_yaml

SUBCLASSES = ("model", "data", "optimizer", "lr_scheduler")
"""Parts that name a class; on the command line `model.seed` stands for `model.init_args.seed`."""


def best_experiments(command: Command, words: Sequence[str], root: Path) -> dict[str, dict[str, Any]]:
    """Experiment of each stage by file name: ``best.yaml``, or ``best-STAGE.yaml`` for stages in a row.

    Args:
        command: of the sweep.
        words: ``--key=value`` of the best trial.
        root: run folder that the experiments get; that of a stage with a name lies below it.

    Raises:
        DataError: a base experiment cannot be read.
        ConfigError: a setting lies below one that is no mapping.
    """
    contents = {}
    folders = command.folders(root)
    for i, (stage, given) in enumerate(zip(command.stages, command.words_of(words), strict=True)):
        content = read_experiment(stage.config)
        if i:
            put(content, "model.pretrained", str(RunFolder(folders[i - 1]).last_checkpoint))
        for key, value in given:
            put(content, key, _file(parse(value), Path()))
        put(content, "trainer.default_root_dir", str(folders[i]))
        contents[f"best-{stage.name}.yaml" if stage.name else "best.yaml"] = content
    return contents


def read_experiment(path: Path) -> dict[str, Any]:
    """Content of an experiment YAML, with the files that it names put in: it may be moved then.

    Raises:
        DataError: it cannot be read.
    """
    return _inlined(read_settings(path), path.parent)


def put(content: dict[str, Any], key: str, value: object) -> None:
    """Set a value by the dotted name that it has on the command line.

    Raises:
        ConfigError: part of the name is a value already.
    """
    *groups, last = key.split(".")
    if groups and groups[0] in SUBCLASSES and (groups[1:] or [last])[0] not in ("class_path", "init_args"):
        groups.insert(1, "init_args")
    for name in groups:
        content = content.setdefault(name, {})
        if not isinstance(content, dict):
            raise ConfigError(f"{key}: {name} is {content} in the experiment, nothing can be set below it")
    content[last] = value


def parse(value: str) -> object:
    """Value of an argument as the command line reads it; to YAML 1.1 alone 1e-3 would be a text."""
    try:
        return float(value) if not value.lstrip("+-").isdigit() else int(value)
    except ValueError:
        return parse_yaml(value)


def _inlined(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {
        key: _inlined(value, folder) if isinstance(value, dict) else _file(value, folder)
        for key, value in content.items()
    }


def _file(value: object, folder: Path) -> object:
    """Content of the YAML that a value names, seen from ``folder``; other values as they are."""
    if isinstance(value, str) and value.endswith((".yaml", ".yml")) and (folder / value).is_file():
        return TextFile(folder / value).yaml()
    return value
