"""What each trial of a sweep runs: the stages of its command, and which argument goes to which."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from meshgait.errors import ConfigError
from meshgait.renamed_settings import renamed_setting
from meshgait.run_folder import RunFolder
from meshgait.text import shown
from meshgait.textfiles.yaml_text import parse_yaml

HEAD = re.compile(r"(\$\{env\} )?(\$\{program\}|meshgait|(\$\{interpreter\}|python) -m meshgait\.cli) (trial|fit)")
"""First words: ways to call this program, and no other."""

NEVER = ("trust_code_of", "weights_only")
"""Arguments of `meshgait fit` that would let files run code; whoever gives them gives them by hand."""

NAMED = re.compile(r"(?:([A-Za-z][\w-]*)=)?(.+)", re.DOTALL)
ARGS = "${args}"
EXAMPLE = "give e.g. command: [${env}, ${program}, trial, experiments/pretrain/walkers.yaml, ${args}]"


class Command(NamedTuple):
    """What `meshgait trial` is given.

    Attributes:
        stages: experiment YAML of each stage by its name, which its parameters begin with; "" of a single one.
        extra: further arguments.
    """

    stages: dict[str, Path]
    extra: list[str]

    @property
    def words(self) -> list[str]:
        """The words of `meshgait trial`."""
        return [
            *(f"{name}={config}" if name else str(config) for name, config in self.stages.items()),
            *self.extra,
        ]

    def settings(self, words: Sequence[str]) -> dict[str, list[str]]:
        """Arguments of each stage by its name, from ``extra`` and further words.

        Raises:
            ConfigError: an argument of no stage, that is none, or that a sweep may not give.
        """
        found: dict[str, list[str]] = {name: [] for name in self.stages}
        for key, value in pairs([*self.extra, *words]):
            name, _, inner = key.partition(".") if "" not in found else ("", "", key)
            if name not in found or not inner:
                raise ConfigError(f"{shown(key)} belongs to no stage", f"begin it with {'. or '.join(found)}.")
            if inner.replace("-", "_") in NEVER:
                raise ConfigError(
                    f"{inner} cannot be given in a sweep, it would let files run code", "leave it out"
                )
            found[name].append(f"--{renamed_setting(inner, value)}={value}")
        return found

    def folders(self, folder: Path) -> list[Path]:
        """Run folder of each stage below that of the trial."""
        return [folder / name for name in self.stages]

    def fits(self, words: Sequence[str], folder: Path) -> list[list[str]]:
        """Words of `meshgait` for each stage; a later one starts from the weights of the one before."""
        lines: list[list[str]] = []
        weights: list[str] = []
        for name, given in self.settings(words).items():
            own = [f"--trainer.default_root_dir={folder / name}", "--ckpt_path=last"]
            lines.append(["fit", f"--config={self.stages[name]}", *weights, *given, *own])
            weights = [f"--model.pretrained={RunFolder(folder / name).last_checkpoint}"]
        return lines


def read_command(content: Sequence[object]) -> Command:
    """The ``command`` of a sweep file: `trial` with one or more stages, or `fit --config` with one.

    Raises:
        ConfigError: it runs something else, or has macros that cannot be honoured.
    """
    words = list(map(str, content))
    verb = next((i for i, word in enumerate(words) if word in ("trial", "fit")), len(words))
    head, rest = words[: verb + 1], words[verb + 1 :]
    if not HEAD.fullmatch(" ".join(head)):
        raise ConfigError(f"command runs {shown(' '.join(head)) or 'nothing'}, which is not supported", EXAMPLE)
    if rest.count(ARGS) != 1:
        raise ConfigError(f"command needs {ARGS} once, or no parameter would arrive", EXAMPLE)
    rest.remove(ARGS)
    if macros := [word for word in rest if "${" in word]:
        raise ConfigError(f"command: {shown(macros[0])} is not supported", f"use {ARGS}")
    if head[-1] == "fit":
        rest = (
            rest[1:]
            if rest[:1] == ["--config"]
            else [*(word.removeprefix("--config=") for word in rest[:1]), *rest[1:]]
        )
    return read_trial(rest)


def read_trial(words: Sequence[str]) -> Command:
    """Stages and further arguments of `meshgait trial`: ``CONFIG`` or several ``NAME=CONFIG``, then arguments.

    Raises:
        ConfigError: there is no stage, one has no experiment, or several have no names of their own.
    """
    count = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    matches = [match for word in words[:count] if (match := NAMED.fullmatch(word))]
    stages = {match[1] or "": Path(match[2]) for match in matches}
    if not stages:
        raise ConfigError("trial: an experiment is missing", "give a YAML, e.g. experiments/pretrain/walkers.yaml")
    if len(stages) < len(matches) or ("" in stages and len(stages) > 1):
        raise ConfigError("trial: stages in a row need a name each", "give e.g. pretrain=A.yaml finetune=B.yaml")
    for config in stages.values():
        if not os.path.isfile(config):  # of a name that is too long as well
            raise ConfigError(f"the experiment {shown(config)} is missing", "correct the path, relative to here")
    return Command(stages, list(words[count:]))


def pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(setting, value) of words ``--key=value`` or ``--key value``.

    W&B's agents pass a nested parameter as ``--model={'seed': 1}``; it comes out as ``model.seed``.

    Raises:
        ConfigError: a word that is no such argument.
    """
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not equals and rest and not rest[0].startswith("--"):
            equals, value = "=", rest.pop(0)
        if not word.startswith("--") or not key or not equals:
            raise ConfigError(f"{shown(word)} is no argument with a value", "give --key=value")
        try:
            nested = parse_yaml(value) if value.startswith("{") and "." not in key else None
        except yaml.YAMLError as error:
            raise ConfigError(
                f"--{key} is no readable mapping ({shown(error)})", f"give --{key}.NAME=..."
            ) from error
        yield from _leaves(key, nested if isinstance(nested, Mapping) else value)


def _leaves(key: str, content: object) -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _leaves(f"{key}.{name}", value)
    else:
        yield key, str(content)
