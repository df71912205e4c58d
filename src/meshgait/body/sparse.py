"""Sparse matrices of body model files, made dense; SciPy's own conversion does not survive inconsistent parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LARGEST = 1_000_000
"""Elements of a dense matrix at most; the regressors of joints have 165,360 (SMPL) to 576,125 (SMPL-X)."""


def dense_matrix(kind: str, parts: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Matrix (rows, columns) float64 of the parts that SciPy stores.

    Args:
        kind: "csc", "csr" or "coo".
        parts: data, indices and indptr; of "coo" data, row and col, or data and coords (2, n).
        shape: (rows, columns).

    Raises:
        ValueError: they are no matrix, or too large a one.
        KeyError: a part is missing.
    """
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] > LARGEST:
        raise ValueError(f"its shape is {shape}")
    data = np.asarray(parts["data"], np.float64)
    if kind == "coo":
        row, column = parts["coords"] if "coords" in parts else (parts["row"], parts["col"])
    else:
        starts, minor = _whole(parts["indptr"]), _whole(parts["indices"])
        lines = shape[0] if kind == "csr" else shape[1]
        steps = np.diff(starts)
        # negative ones could make steps that no longer fit into 64 bits
        ends_fit = len(starts) == lines + 1 and starts[0] == 0 and starts[-1] == len(minor)
        if not ends_fit or starts.min() < 0 or steps.min() < 0:
            raise ValueError("its indptr does not fit its shape and indices")
        major = np.repeat(np.arange(lines), steps)
        row, column = (major, minor) if kind == "csr" else (minor, major)
    row, column = _whole(row), _whole(column)
    if not data.shape == row.shape == column.shape:
        raise ValueError("its parts differ in length")
    if len(data) and (min(row.min(), column.min()) < 0 or row.max() >= shape[0] or column.max() >= shape[1]):
        raise ValueError(f"it has indices outside of its shape {shape}")
    dense = np.zeros(shape)
    np.add.at(dense, (row, column), data)
    return dense


def _whole(indices: object) -> np.ndarray:
    """(n,) int64.

    Raises:
        ValueError: they are no list of whole numbers.
    """
    array = np.asarray(indices)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"its indices are {array.dtype} {array.shape}")
    return array.astype(np.int64)
