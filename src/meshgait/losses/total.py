"""Weighted sum of named loss terms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add

from torch import Tensor

from meshgait.errors import ConfigError


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Sum of ``terms`` times their ``weights``.

    Raises:
        ConfigError: a term has no weight, or a weight names no term.
    """
    if terms.keys() != weights.keys():
        raise ConfigError(f"loss terms {sorted(terms)} and weights {sorted(weights)} differ")
    return reduce(add, (weights[name] * term for name, term in terms.items()))
