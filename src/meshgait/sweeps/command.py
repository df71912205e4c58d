"""What each trial of a sweep runs: the stages of its command, and which argument goes to which."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from meshgait.errors import ConfigError
from meshgait.renamed_settings import renamed_setting
from meshgait.run_folder import RunFolder
from meshgait.text import shown
from meshgait.textfiles.yaml_text import parse_yaml

HEAD = re.compile(r"(\$\{env\} )?(\$\{program\}|meshgait|(\$\{interpreter\}|python) -m meshgait\.cli)")
"""Words before the verb: ways to call this program, and no other."""

NEVER = ("trust_code_of", "weights_only")
"""Arguments of `meshgait fit` that would let files run code; whoever gives them gives them by hand."""

NAMED = re.compile(r"([A-Za-z][\w-]*)=(.+)")
ARGS = "${args}"
EXAMPLE = "command: [${env}, ${program}, trial, experiments/pretrain/walkers.yaml, ${args}]"


@dataclass(frozen=True)
class StageConfig:
    """A stage of a trial.

    Attributes:
        name: prefix of its parameters; "" where a trial has one stage only.
        config: experiment YAML it starts from.
    """

    name: str
    config: Path


@dataclass(frozen=True)
class Command:
    """Stages that a trial runs in a row.

    Attributes:
        stages: one, or several with names.
        extra: further arguments of each trial.
    """

    stages: tuple[StageConfig, ...]
    extra: tuple[str, ...] = ()

    @property
    def specs(self) -> list[str]:
        """The stages as words of `meshgait trial`."""
        return [f"{stage.name}={stage.config}" if stage.name else str(stage.config) for stage in self.stages]

    def words_of(self, words: Sequence[str]) -> list[list[tuple[str, str]]]:
        """(setting, value) of each stage, from ``--key=value`` words (or ``--key value``) and ``extra``.

        Raises:
            ConfigError: an argument of no stage, that is none, or that a sweep may not give.
        """
        names = [stage.name for stage in self.stages]
        found: list[list[tuple[str, str]]] = [[] for _ in names]
        for key, value in pairs([*self.extra, *words]):
            if names == [""]:
                found[0].append((renamed_setting(key, value), value))
                continue
            name, _, inner = key.partition(".")
            if name not in names or not inner:
                raise ConfigError(
                    f"{key} belongs to no stage; begin it with {' or '.join(f'{n}.' for n in names)}"
                )
            found[names.index(name)].append((renamed_setting(inner, value), value))
        for key, _ in (pair for stage in found for pair in stage):
            if key.replace("-", "_") in NEVER:
                raise ConfigError(f"{key} cannot be given in a sweep, it would let files run code; leave it out")
        return found

    def folders(self, folder: Path) -> list[Path]:
        """Run folder of each stage below that of the trial."""
        return [folder / stage.name if stage.name else folder for stage in self.stages]

    def fits(self, words: Sequence[str], folder: Path) -> list[list[str]]:
        """Words of `meshgait` for each stage; a later one starts from the weights of the one before."""
        given, folders = self.words_of(words), self.folders(folder)
        lines = []
        for i, stage in enumerate(self.stages):
            line = ["fit", "--config", str(stage.config)]
            if i:
                line.append(f"--model.pretrained={RunFolder(folders[i - 1]).last_checkpoint}")
            line += [f"--{key}={value}" for key, value in given[i]]
            lines.append([*line, f"--trainer.default_root_dir={folders[i]}", "--ckpt_path=last"])
        return lines


def read_command(words: object) -> Command:
    """The ``command`` of a sweep file: `trial` with one or more stages, or `fit` with one ``--config``.

    Raises:
        ConfigError: it runs something else, or has macros that cannot be honoured.
    """
    if not isinstance(words, list) or not words:
        raise ConfigError(f"command is {words!r}; give a list such as {EXAMPLE}")
    words = [str(word) for word in words]
    verb = next((i for i, word in enumerate(words) if word in ("trial", "fit")), len(words))
    if verb == len(words) or not HEAD.fullmatch(" ".join(words[:verb])):
        rest = HEAD.sub("", " ".join(words), count=1).split()
        wrong = " ".join(rest[:1] if HEAD.match(" ".join(words)) else words[:3])
        raise ConfigError(f"command runs {wrong or 'nothing'}, not supported; give e.g. {EXAMPLE}")
    rest = words[verb + 1 :]
    if ARGS not in rest:
        raise ConfigError(f"command: {ARGS} is missing, so no parameter would arrive; give e.g. {EXAMPLE}")
    rest.remove(ARGS)
    if macros := [word for word in rest if "${" in word]:
        raise ConfigError(f"command: {', '.join(macros)} is not supported; use {ARGS}")
    return read_trial(rest) if words[verb] == "trial" else _read_fit(rest)


def read_trial(words: Sequence[str]) -> Command:
    """Stages and further arguments of `meshgait trial`: ``CONFIG`` or several ``NAME=CONFIG``, then arguments.

    Raises:
        ConfigError: there is no stage, or several without names of their own.
    """
    count = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    stages = []
    for word in words[:count]:
        match = NAMED.fullmatch(word)
        stages.append(StageConfig(match[1], Path(match[2])) if match else StageConfig("", Path(word)))
    names = [stage.name for stage in stages]
    if not names:
        raise ConfigError("trial: an experiment YAML is missing, e.g. experiments/pretrain/walkers.yaml")
    if len(names) > 1 and ("" in names or len(set(names)) < len(names)):
        raise ConfigError(
            f"trial: stages in a row need a name each, e.g. pretrain=A.yaml finetune=B.yaml, not {names}"
        )
    for stage in stages:
        if not os.path.isfile(stage.config):  # of a name that is too long as well
            raise ConfigError(
                f"the experiment {shown(stage.config)} is missing; correct the path (it is relative to here)"
            )
    return Command(tuple(stages), tuple(words[count:]))


def _read_fit(words: Sequence[str]) -> Command:
    configs = [value for key, value in pairs(words) if key == "config"]
    extra = tuple(f"--{key}={value}" for key, value in pairs(words) if key != "config")
    if len(configs) != 1:
        raise ConfigError(f"command: fit takes one --config in a sweep, not {len(configs)}")
    return read_trial([configs[0], *extra])


def pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(setting, value) of words ``--key=value`` or ``--key value``; W&B's nested parameters are flattened.

    W&B's agents pass a nested parameter as ``--model={'seed': 1}``.

    Raises:
        ConfigError: a word that is no such argument.
    """
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            raise ConfigError(f"{word} is no argument of a trial; give --key=value")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"{word} has no value; give {word}=value")
            value = rest.pop(0)
        yield from _flat(key, value)


def _flat(key: str, value: str) -> Iterator[tuple[str, str]]:
    try:
        nested = parse_yaml(value) if value.startswith("{") and "." not in key else None
    except yaml.YAMLError as error:
        raise ConfigError(f"--{key} is no readable mapping ({shown(error)}); give --{key}.NAME=value") from error
    if isinstance(nested, Mapping):
        yield from _leaves(key, nested)
    else:
        yield key, value


def _leaves(key: str, content: Mapping) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves(f"{key}.{name}", value)
        else:
            yield f"{key}.{name}", str(value)
