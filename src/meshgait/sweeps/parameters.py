"""Parameters of a sweep file: W&B's words for what is searched, as Optuna's distributions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field, PlainValidator, model_validator

from meshgait.textfiles.reading import Schema
from meshgait.textfiles.words import BREAKING

KEYS = {"constant": {"value"}, "categorical": {"values"}}
"""Keys of a distribution; all others have min and max."""

OURS = ("trainer.default_root_dir", "ckpt_path", "config")
"""Settings that each trial gets from the sweep itself."""

MOST_TRIALS = 100_000


def _scalar(value: object) -> object:
    if isinstance(value, str) and not BREAKING.search(value):
        return value
    if isinstance(value, bool | int | float) and -1e300 < value < 1e300:
        return value
    raise ValueError("it must be a number, text on one line, true or false")


Scalar = Annotated[Any, PlainValidator(_scalar)]


class Parameter(Schema, extra="forbid"):
    """One setting: a constant, or values to choose from, or the bounds of a distribution."""

    distribution: Literal[
        "constant", "categorical", "int_uniform", "uniform", "q_uniform", "log_uniform", "log_uniform_values",
        "q_log_uniform_values", None,
    ] = None  # fmt: skip
    value: Scalar = None
    values: Annotated[list[Scalar], Field(min_length=1)] | None = None
    min: Scalar = None
    max: Scalar = None
    q: Scalar = None

    @model_validator(mode="after")
    def _check(self) -> Parameter:
        _ = self.searched
        return self

    @property
    def searched(self) -> BaseDistribution | None:
        """What Optuna samples; None of a constant.

        Raises:
            ValueError: keys are missing or too many, or values or bounds make no sense.
        """
        given = self.model_fields_set - {"distribution"}
        implied = "int_uniform" if isinstance(self.min, int) and isinstance(self.max, int) else "uniform"
        implied = next((kind for kind, keys in KEYS.items() if given == keys), implied)
        kind = self.distribution or implied  # as W&B takes it where none is named
        keys = KEYS.get(kind, {"min", "max"})
        if not keys <= given <= (keys | {"q"} if kind.startswith("q_") else keys):
            raise ValueError(
                f"{kind} takes {' and '.join(sorted(keys))}, not {', '.join(sorted(given)) or 'nothing'}"
            )
        if kind == "constant":
            return None
        if self.values is None:
            return _range(kind, self.min, self.max, 1 if self.q is None else self.q)
        if len(set(map(str, self.values))) < len(self.values):
            raise ValueError(f"a value is there twice in {self.values}")
        return CategoricalDistribution(self.values)


def _range(kind: str, low: Any, high: Any, quantum: Any) -> BaseDistribution:  # noqa: ANN401
    if wrong := [bound for bound in (low, high, quantum) if isinstance(bound, str | bool)]:
        raise ValueError(f"{wrong[0]!r} is no number to YAML; write numbers as 0.001 or 1.0e-3")
    if low >= high:
        raise ValueError(f"min is {low}, max is {high}; min must be below max")
    if kind in ("uniform", "log_uniform_values"):
        return FloatDistribution(low, high, log=kind != "uniform")
    if kind == "log_uniform":  # its bounds are exponents
        if max(-low, high) > 700:
            raise ValueError(f"min {low} and max {high} are exponents of e; keep them in single digits")
        return FloatDistribution(math.exp(low), math.exp(high), log=True)
    whole = all(isinstance(bound, int) for bound in (low, high, quantum))
    if not whole and kind != "q_uniform":
        raise ValueError(f"{kind} is supported for whole numbers only")
    if quantum <= 0 or any(abs(bound / quantum - round(bound / quantum)) > 1e-9 for bound in (low, high)):
        raise ValueError(f"min {low} and max {high} must be multiples of a positive q, which is {quantum}")
    if whole:
        return IntDistribution(low, high, log="log" in kind, step=quantum)  # Optuna has no log with steps
    return FloatDistribution(low, high, step=quantum)


def flattened(content: Any) -> Any:  # noqa: ANN401
    """Parameters by dotted name, where W&B allows them nested: ``{model: {parameters: {lr: ...}}}``.

    Raises:
        ValueError: a name is the sweep's to give, is there twice, or has values beside nested parameters.
    """
    flat: dict[Any, Any] = {}
    for name, entry in content.items() if isinstance(content, Mapping) else ():
        found, nested = {name: entry}, isinstance(entry, Mapping) and entry.get("parameters")
        if isinstance(nested, Mapping):
            found = {f"{name}.{key}": value for key, value in flattened(nested).items()}
            if len(entry) > 1:
                raise ValueError(f"{name} has other keys beside nested parameters")
        for key in found:
            if key in flat:
                raise ValueError(f"{key} is there twice, nested and dotted; keep one")
            if str(key).endswith(OURS):
                raise ValueError(f"{key} is given to each trial by the sweep; leave it out")
        flat |= found
    return flat


def grid_values(distribution: BaseDistribution) -> list[Any]:
    """All values of a parameter in a grid, in order.

    Raises:
        ValueError: it is continuous, or they are too many.
    """
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # there are no other kinds
    if distribution.log or distribution.step is None:
        raise ValueError("it is continuous; a grid needs values, int_uniform or q_uniform")
    count = round((distribution.high - distribution.low) / distribution.step) + 1
    if count > MOST_TRIALS:
        raise ValueError(f"it has {count} values, a grid at most {MOST_TRIALS}; raise q")
    return [distribution.low + i * distribution.step for i in range(count)]
