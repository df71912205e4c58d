"""Sweep files in W&B's own schema; what cannot be honoured here is refused by name before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from optuna.distributions import BaseDistribution

from meshgait.errors import ConfigError
from meshgait.sweeps.command import Command, read_command
from meshgait.sweeps.space import MOST_TRIALS, Scalar, grid_values, read_parameters
from meshgait.text import shown
from meshgait.textfiles.reading import TextFile
from meshgait.textfiles.words import name_fault

PROGRAM = "meshgait"
METHODS = ("bayes", "random", "grid")
TOP = {
    "program", "method", "metric", "parameters", "early_terminate", "run_cap", "command", "name", "description",
    "project", "entity",
}  # fmt: skip
IDENTITY = ("method", "metric", "parameters", "early_terminate", "command")
"""Keys that make a sweep what it is: they may not change while it goes on."""


@dataclass(frozen=True)
class Hyperband:
    """``early_terminate``: at ``min_iter`` validations, and ``eta`` times as many, only the better ones go on.

    Attributes:
        min_iter: validations of the first check.
        max_iter: validations of a whole trial; None to find out from the first whole one.
        eta: ratio between checks, and the share that is stopped: one in ``eta`` goes on.
    """

    min_iter: int
    max_iter: int | None
    eta: int


@dataclass(frozen=True)
class Sweep:
    """A sweep file.

    Attributes:
        name: of the sweep: its ``name``, or that of the file.
        method: "bayes", "random" or "grid".
        metric: name of the figure in ``metrics.json``.
        maximize: whether more is better.
        target: value of the metric at which no further trial is begun.
        searched: distribution of each parameter by dotted name.
        constant: further settings of each trial.
        early: rule that stops trials early, if any.
        cap: trials at most.
        command: what each trial runs.
        content: the file as it is.
        path: of the file.
    """

    name: str
    method: Literal["bayes", "random", "grid"]
    metric: str
    maximize: bool
    target: float | None
    searched: dict[str, BaseDistribution]
    constant: dict[str, Scalar]
    early: Hyperband | None
    cap: int | None
    command: Command
    content: dict[str, Any] = field(repr=False)
    path: Path

    @property
    def identity(self) -> dict[str, Any]:
        """What may not change while the sweep goes on, as plain JSON."""
        return json.loads(json.dumps({key: self.content.get(key) for key in IDENTITY}))

    def trials(self, wanted: int | None) -> int:
        """Number of trials: ``wanted``, else ``run_cap``, else (grid) all combinations.

        Raises:
            ConfigError: nothing tells when to end, or there are not so many combinations.
        """
        count = wanted or self.cap
        if self.method == "grid":
            size = 1
            for name, distribution in self.searched.items():
                size *= len(grid_values(name, distribution))
            count = min(count or size, size)
        if count is None:
            raise ConfigError(
                f"{self.path}: run_cap is missing; a {self.method} search ends at run_cap or --trials N"
            )
        if count > MOST_TRIALS:
            raise ConfigError(f"{self.path}: {count} trials are more than {MOST_TRIALS}; give --trials N")
        return count


def read_sweep(path: Path) -> Sweep:
    """Read and check a sweep file.

    Raises:
        DataError: the file is missing, no YAML, or has a key twice.
        ConfigError: a key or value that is wrong or not supported, by name.
    """
    remedy = "give a sweep file, e.g. experiments/sweeps/pretrain.yaml"
    content = TextFile(path, remedy).yaml(dict[Any, Any])
    try:
        return _sweep(path, content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {shown(error, 1000)}") from error


def _sweep(path: Path, content: dict[str, Any]) -> Sweep:
    _only("the sweep", content, TOP)
    if missing := {"method", "metric", "parameters", "command", "program"} - content.keys():
        raise ConfigError(f"{', '.join(sorted(missing))} is missing")
    if content["program"] != PROGRAM:
        raise ConfigError(f"program is {content['program']!r}; a sweep runs {PROGRAM} and nothing else")
    method = content["method"]
    if method not in METHODS:
        raise ConfigError(f"method {method} is not supported; use one of {', '.join(METHODS)}")
    metric = _mapping("metric", content["metric"], {"name", "goal", "target"})
    goal = metric.get("goal", "minimize")
    if not isinstance(metric.get("name"), str):
        raise ConfigError("metric: name is missing; give a figure of metrics.json, e.g. val/rank1 or val/mpjpe")
    if goal not in ("minimize", "maximize"):
        raise ConfigError(f"metric: goal is {goal}; use minimize or maximize")
    target = metric.get("target")
    if target is not None and (
        isinstance(target, bool) or not isinstance(target, int | float) or target != target
    ):
        raise ConfigError(f"metric: target is {target!r}; give a number")
    searched, constant = read_parameters(content["parameters"])
    if method == "grid":
        for name, distribution in searched.items():
            grid_values(name, distribution)
    command = read_command(content["command"])
    command.words_of([f"--{name}=0" for name in (*searched, *constant)])  # each must belong to a stage
    cap = content.get("run_cap")
    return Sweep(
        name=_name(content, path),
        method=method,
        metric=metric["name"],
        maximize=goal == "maximize",
        target=target,
        searched=searched,
        constant=constant,
        early=_hyperband(content["early_terminate"]) if content.get("early_terminate") else None,
        cap=None if cap is None else _positive("run_cap", cap, MOST_TRIALS),
        command=command,
        content=content,
        path=path,
    )


def _hyperband(content: object) -> Hyperband:
    rule = _mapping("early_terminate", content, {"type", "min_iter", "max_iter", "s", "eta"})
    if rule.get("type") != "hyperband":
        raise ConfigError(f"early_terminate: type {rule.get('type')} is not supported; use hyperband")
    most = {"eta": 100, "s": 20}
    numbers = {
        key: _positive(f"early_terminate: {key}", value, most.get(key, MOST_TRIALS))
        for key, value in rule.items()
        if key != "type"
    }
    eta, longest = numbers.get("eta", 3), numbers.get("max_iter")
    if eta < 2:
        raise ConfigError(f"early_terminate: eta is {eta}; it must be at least 2")
    if "min_iter" in numbers:
        if "s" in numbers:
            raise ConfigError("early_terminate: s goes with max_iter, not with min_iter; remove one")
        shortest = numbers["min_iter"]
    elif longest and "s" in numbers:
        shortest = max(1, longest // eta ** numbers["s"])
    else:
        raise ConfigError("early_terminate: give min_iter, or max_iter and s")
    if longest is not None and longest < shortest:
        raise ConfigError(f"early_terminate: max_iter {longest} is below min_iter {shortest}")
    return Hyperband(shortest, longest, eta)


def _positive(name: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ConfigError(f"{name} is {value!r}; give a whole number of at least 1 and at most {most}")
    return value


def _name(content: dict[str, Any], path: Path) -> str:
    """Name of the sweep, which becomes that of a folder."""
    name = str(content.get("name") or path.stem)
    if name in (".", "..") or set(name) & set("/\\") or name_fault(name):
        raise ConfigError(f"name is {shown(name)!r}, which no folder can be called; choose another")
    return name


def _mapping(name: str, content: object, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{name} is {content!r}; give {', '.join(sorted(keys))} under it")
    _only(name, content, keys)
    return content


def _only(where: str, content: Mapping, keys: set[str]) -> None:
    if wrong := sorted(map(str, content.keys() - keys)):
        raise ConfigError(f"{where} holds {', '.join(wrong)}, not supported; known are {', '.join(sorted(keys))}")
