"""Sweep files in W&B's own schema; what cannot be honoured here is refused by name before anything runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from optuna.distributions import BaseDistribution
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from meshgait.errors import ConfigError
from meshgait.sweeps.command import Command, read_command
from meshgait.sweeps.parameters import MOST_TRIALS, Parameter, Scalar, flattened, grid_values
from meshgait.textfiles.reading import Line, Schema, TextFile
from meshgait.textfiles.words import name_fault

Count = Annotated[int, Field(ge=1, le=MOST_TRIALS)]


def _folder_name(name: str) -> str:
    if name in (".", "..") or set(name) & set("/\\") or name_fault(name):
        raise ValueError("no folder can be called so; choose another name")
    return name


class Metric(Schema, extra="forbid"):
    """A figure of ``metrics.json``, and the value at which no further trial is begun."""

    name: Line
    goal: Literal["minimize", "maximize"] = "minimize"
    target: float | None = None


class EarlyTerminate(Schema, extra="forbid"):
    """At ``min_iter`` validations, and ``eta`` times as many, only one trial in ``eta`` goes on (hyperband).

    A whole trial has ``max_iter``; without ``min_iter`` the first check is at ``max_iter / eta ** s``.
    """

    type: Literal["hyperband"]
    min_iter: Count | None = None
    max_iter: Count | None = None
    s: Annotated[int, Field(ge=1, le=20)] | None = None
    eta: Annotated[int, Field(ge=2, le=100)] = 3

    @model_validator(mode="after")
    def _check(self) -> EarlyTerminate:
        if (self.s is None) == (self.min_iter is None) or (self.s and not self.max_iter):
            raise ValueError("give min_iter, or max_iter and s")
        if self.max_iter and self.max_iter < self.first:
            raise ValueError(f"max_iter {self.max_iter} is below min_iter {self.first}")
        return self

    @property
    def first(self) -> int:
        """Validations before the first check."""
        return self.min_iter or max(1, (self.max_iter or 1) // self.eta ** (self.s or 0))


class Sweep(Schema, extra="forbid"):
    """A sweep file."""

    program: Literal["meshgait"]
    method: Literal["bayes", "random", "grid"]
    metric: Metric
    parameters: Annotated[dict[Line, Parameter], BeforeValidator(flattened), Field(min_length=1)]
    command: list[Scalar]
    early_terminate: EarlyTerminate | None = None
    run_cap: Count | None = None
    name: Annotated[Line, AfterValidator(_folder_name)] = ""
    description: Line | None = None
    project: Line | None = None
    entity: Line | None = None

    @model_validator(mode="after")
    def _check(self) -> Sweep:
        for name, distribution in self.searched.items() if self.method == "grid" else ():
            try:
                grid_values(distribution)
            except ValueError as error:
                raise ValueError(f"parameters.{name}: {error}") from error
        return self

    @property
    def searched(self) -> dict[str, BaseDistribution]:
        """Distribution of each parameter that is searched, by dotted name."""
        found = {name: parameter.searched for name, parameter in self.parameters.items()}
        return {name: distribution for name, distribution in found.items() if distribution is not None}

    @property
    def trial(self) -> Command:
        """What each trial runs."""
        return read_command(self.command)

    @property
    def content(self) -> dict[str, Any]:
        """The file as W&B takes it, in plain JSON."""
        return self.model_dump(mode="json", exclude_unset=True)

    def words(self, values: dict[str, Any]) -> list[str]:
        """Arguments of a trial with these values of what is searched, and the constants."""
        constant = {name: found.value for name, found in self.parameters.items() if found.value is not None}
        return [f"--{name}={value}" for name, value in (constant | values).items()]

    def trials(self, wanted: int | None) -> int:
        """Number of trials: ``wanted``, else ``run_cap``, else (grid) all combinations.

        Raises:
            ConfigError: nothing tells when to end, or they are too many.
        """
        size = (
            math.prod(len(grid_values(found)) for found in self.searched.values())
            if self.method == "grid"
            else None
        )
        count = min(wanted or self.run_cap or size or math.inf, size or math.inf)
        if count > MOST_TRIALS:
            raise ConfigError(
                f"sweep {self.name} has no end, or more than {MOST_TRIALS} trials",
                "set run_cap, or give --trials N",
            )
        return int(count)


def read_sweep(path: Path) -> Sweep:
    """Read and check a sweep file.

    Raises:
        DataError: the file is missing, no YAML, or has a key or value that is wrong or not supported.
        ConfigError: its command cannot be run.
    """
    sweep: Sweep = TextFile(path, "take experiments/sweeps/pretrain.yaml as an example").yaml(Sweep)
    try:
        sweep.trial.settings(sweep.words(dict.fromkeys(sweep.searched, 0)))  # each must belong to a stage
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.what}", error.remedy) from error
    return sweep if sweep.name else sweep.model_copy(update={"name": path.stem})
