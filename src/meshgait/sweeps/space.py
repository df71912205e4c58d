"""Parameters of a sweep: W&B's words for what is searched, as Optuna's distributions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from meshgait.errors import ConfigError

Scalar = bool | int | float | str

BOUNDS = {"min", "max"}
KEYS: dict[str, set[str]] = {
    "constant": {"value"},
    "categorical": {"values"},
    "int_uniform": BOUNDS,
    "uniform": BOUNDS,
    "q_uniform": {*BOUNDS, "q"},
    "log_uniform": BOUNDS,
    "log_uniform_values": BOUNDS,
    "q_log_uniform_values": {*BOUNDS, "q"},
}
"""Distributions that can be sampled here, and the keys that each takes."""

MOST_TRIALS = 100_000
LARGEST_EXPONENT = 700  # of e, within double precision
OURS = ("trainer.default_root_dir", "ckpt_path", "config")
"""Settings that each trial gets from the sweep itself."""


def read_parameters(content: object) -> tuple[dict[str, BaseDistribution], dict[str, Scalar]]:
    """What is searched, and what is constant, both by dotted name (nested parameters are flattened).

    Raises:
        ConfigError: a distribution or key that cannot be honoured, by name; bounds that make no sense.
    """
    searched: dict[str, BaseDistribution] = {}
    constant: dict[str, Scalar] = {}
    if not isinstance(content, Mapping) or not content:
        raise ConfigError(
            "parameters is empty; name at least one setting, e.g. model.optimizer.lr: {values: [1.0e-3, 2.0e-3]}"
        )
    for name, entry in _flat(content):
        if name.endswith(OURS):
            raise ConfigError(f"parameters: {name} is given to each trial by the sweep; leave it away")
        if name in searched or name in constant:
            raise ConfigError(f"parameters: {name} is there twice, nested and dotted; keep one")
        found = _parameter(name, entry)
        if isinstance(found, BaseDistribution):
            searched[name] = found
        else:
            constant[name] = found
    return searched, constant


def grid_values(name: str, distribution: BaseDistribution) -> list[Scalar]:
    """All values of a parameter in a grid, in order.

    Raises:
        ConfigError: there is no end to them, or they are too many.
    """
    if isinstance(distribution, CategoricalDistribution):
        return [choice for choice in distribution.choices if choice is not None]  # which none of ours is
    if isinstance(distribution, IntDistribution) and not distribution.log:
        count = _count(name, distribution.low, distribution.high, distribution.step)
        return [distribution.low + i * distribution.step for i in range(count)]
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        count = _count(name, distribution.low, distribution.high, distribution.step)
        return [distribution.low + i * distribution.step for i in range(count)]
    raise ConfigError(f"parameters: {name} is continuous, a grid needs values, int_uniform or q_uniform")


def _count(name: str, low: float, high: float, step: float) -> int:
    """Number of values in a grid."""
    count = round((high - low) / step) + 1
    if count > MOST_TRIALS:
        raise ConfigError(f"parameters: {name} has {count} values, a grid at most {MOST_TRIALS}; raise q")
    return count


def first_value(distribution: BaseDistribution) -> Scalar:
    """A value of the distribution: the first, or the lowest."""
    if isinstance(distribution, IntDistribution | FloatDistribution):
        return distribution.low
    assert isinstance(distribution, CategoricalDistribution)  # there are no other kinds
    first = distribution.choices[0]
    assert first is not None  # the schema admits none
    return first


def _flat(content: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(content, Mapping):
        raise ConfigError(f"parameters: {prefix.rstrip('.')} is {content!r}; give settings by name")
    for name, entry in content.items():
        if not isinstance(name, str):
            raise ConfigError(f"parameters: {prefix}{name} is no name of a setting; write it in quotes")
        if isinstance(entry, Mapping) and "parameters" in entry:
            if others := entry.keys() - {"parameters"}:
                beside = ", ".join(sorted(map(str, others)))
                raise ConfigError(f"parameters: {prefix}{name} holds {beside} beside nested parameters")
            yield from _flat(entry["parameters"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", entry


def _parameter(name: str, entry: object) -> BaseDistribution | Scalar:
    where = f"parameters: {name}"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} is {entry!r}; write {{value: {entry}}} for a constant, or {{values: [...]}}")
    keys = set(map(str, entry)) - {"distribution"}
    kind = entry.get("distribution") or _implied(where, entry)
    if not isinstance(kind, str) or kind not in KEYS:
        raise ConfigError(f"{where}: distribution {kind} is not supported; use one of {', '.join(KEYS)}")
    if wrong := keys - KEYS[kind]:
        raise ConfigError(f"{where}: {', '.join(sorted(wrong))} is not supported with {kind}; remove it")
    if missing := KEYS[kind] - keys - {"q"}:
        raise ConfigError(f"{where}: {kind} needs {' and '.join(sorted(missing))}")
    if kind == "constant":
        return _scalar(where, entry["value"])
    if kind == "categorical":
        return _categorical(where, entry["values"])
    return _range(where, kind, _number(where, "min", entry["min"]), _number(where, "max", entry["max"]), entry)


def _implied(where: str, entry: Mapping) -> str:
    """The distribution that W&B takes where none is named."""
    if "value" in entry:
        return "constant"
    if "values" in entry:
        return "categorical"
    if entry.keys() >= BOUNDS:
        whole = all(isinstance(entry[key], int) for key in BOUNDS)
        return "int_uniform" if whole else "uniform"
    raise ConfigError(
        f"{where}: {', '.join(map(str, entry)) or 'nothing'} tells no values; give value, values or min and max"
    )


def _categorical(where: str, values: object) -> CategoricalDistribution:
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where}: values is {values!r}; give a list")
    choices = [_scalar(where, value) for value in values]
    if len({str(choice) for choice in choices}) < len(choices):
        raise ConfigError(f"{where}: a value is there twice in {choices}")
    return CategoricalDistribution(choices)


def _range(where: str, kind: str, low: float, high: float, entry: Mapping) -> BaseDistribution:
    if not low < high:
        raise ConfigError(f"{where}: min is {low}, max is {high}; min must be below max")
    if kind == "int_uniform":
        if not (isinstance(low, int) and isinstance(high, int)):
            raise ConfigError(f"{where}: int_uniform needs whole numbers, not {low} and {high}")
        return IntDistribution(low, high)
    if kind == "log_uniform":  # its bounds are exponents
        if max(-low, high) > LARGEST_EXPONENT:
            raise ConfigError(f"{where}: min {low} and max {high} are exponents of e; keep them in single digits")
        return FloatDistribution(math.exp(low), math.exp(high), log=True)
    if kind.endswith("log_uniform_values") and low <= 0:
        raise ConfigError(f"{where}: min is {low}; a logarithmic scale needs min above 0")
    if kind == "log_uniform_values":
        return FloatDistribution(low, high, log=True)
    if kind == "uniform":
        return FloatDistribution(low, high)
    quantum = _number(where, "q", entry.get("q", 1))
    if kind == "q_log_uniform_values":
        if not (isinstance(low, int) and isinstance(high, int)) or quantum != 1:
            raise ConfigError(f"{where}: q_log_uniform_values is supported for whole min and max with q 1 only")
        return IntDistribution(low, high, log=True)
    steps = [bound / quantum for bound in (low, high)] if quantum > 0 else [0.5]
    if any(abs(step - round(step)) > 1e-9 for step in steps):
        raise ConfigError(
            f"{where}: min {low} and max {high} must be multiples of a positive q, which is {quantum}"
        )
    if isinstance(low, int) and isinstance(high, int) and isinstance(quantum, int):
        return IntDistribution(low, high, step=quantum)
    return FloatDistribution(low, high, step=quantum)


def _number(where: str, key: str, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        hint = " (to YAML 1e-3 is a text: write 1.0e-3)" if isinstance(value, str) else ""
        raise ConfigError(f"{where}: {key} is {value!r}; give a number{hint}")
    return value


def _scalar(where: str, value: object) -> Scalar:
    if not isinstance(value, bool | int | float | str):
        raise ConfigError(f"{where}: {value!r} is not supported; give numbers, words, true or false")
    return value
