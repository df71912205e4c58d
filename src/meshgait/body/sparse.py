"""Sparse matrices of body model files, made dense."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

LARGEST = 5_000_000
"""Elements of a dense matrix at most; SMPL's regressor of joints has 165,360."""


def dense_matrix(kind: str, arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Matrix (rows, columns) float64 of the parts that SciPy stores.

    Args:
        kind: "csc", "csr" or "coo".
        arrays: data, indices and indptr; of "coo" data, row and col, or data and coords (2, n).
        shape: (rows, columns).

    Raises:
        ValueError: they are no matrix, or too large a one.
    """
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] > LARGEST:
        raise ValueError(f"its shape is {shape}")
    data = np.asarray(arrays["data"], np.float64)
    if kind == "coo":
        row, column = arrays["coords"] if "coords" in arrays else (arrays["row"], arrays["col"])
        matrix = sparse.coo_array((data, (np.asarray(row), np.asarray(column))), shape)
    else:
        parts = (data, np.asarray(arrays["indices"]), np.asarray(arrays["indptr"]))
        matrix = {"csc": sparse.csc_array, "csr": sparse.csr_array}[kind](parts, shape)
        matrix.check_format(full_check=True)
    return matrix.toarray()
