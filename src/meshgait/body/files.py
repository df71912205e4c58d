"""Body model files: our npz, SMPL's npz, and SMPL's official pickles read without running what they ask for."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from meshgait.arrays import ObjectArrayError, read_npz, write_npz
from meshgait.atomic import atomic_file
from meshgait.body.skeleton import NUM_JOINTS, PARENTS
from meshgait.body.sparse import dense_matrix
from meshgait.errors import BodyModelError, DataError, UnsafeFileError
from meshgait.pickles import load_pickle, to_array
from meshgait.unpickler import SPARSE, Inert

REMEDY = "register at smpl.is.tue.mpg.de, download SMPL for Python and pass the path of its .pkl or .npz"
NUM_BETAS = 10
REQUIRED = ("v_template", "shapedirs", "J_regressor", "weights", "kintree_table", "f")
RANKS = {
    **dict.fromkeys(("v_template", "J_regressor", "weights", "kintree_table", "f"), 2),
    **dict.fromkeys(("shapedirs", "posedirs"), 3),
    "vert_sym_idxs": 1,
}
"""Dimensions of the arrays."""
OTHER_MODELS = {5: "FLAME", 16: "MANO", 52: "SMPL-H", 55: "SMPL-X", 75: "SUPR"}
"""Models by their number of joints."""
LARGEST_NUMBER = 2**32
"""In any array; SMPL's root has the parent 2**32 - 1, every other number is far smaller."""
OPTIONAL = ("posedirs", "vert_sym_idxs", "meta")


def _array(key: str, value: object) -> np.ndarray:
    """An array out of an array or an inert stand-in."""
    if not isinstance(value, Inert):
        return to_array(value)
    state, kind = value.state, value.kind
    if "x" in state:  # chumpy.Ch keeps its value in x
        return _array(key, state["x"])
    if kind == "Select" and {"a", "idxs"} <= state.keys():  # chumpy's view of some elements of an array
        chosen = _array(key, state["a"]).ravel()[to_array(state["idxs"]).astype(np.int64)]
        shape = state.get("preferred_shape")
        return chosen if shape is None else np.reshape(chosen, shape)
    if kind == "Reshape" and {"a", "newshape"} <= state.keys():
        return np.reshape(_array(key, state["a"]), state["newshape"])
    if kind == "transpose" and "a" in state:
        return np.transpose(_array(key, state["a"]), state.get("axes"))
    sparse = kind.partition("_")[0]
    if sparse in SPARSE:
        return dense_matrix(sparse, state, tuple(int(n) for n in state.get("_shape", state.get("shape", ()))))
    raise BodyModelError(f"{key} is a {kind} of unknown make-up ({', '.join(map(str, state))})", REMEDY)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a body model file that we know.

    Args:
        path: `.npz` (ours, or SMPL's) or `.pkl` (SMPL's, whose chumpy arrays need no chumpy here).

    Returns:
        Arrays by SMPL's names, unchecked.

    Raises:
        BodyModelError: no such file, or not a readable body model.
        UnsafeFileError: a pickle that names anything but arrays; nothing of it was executed.
    """
    if not path.is_file():
        raise BodyModelError(f"no body model at {path}", f"{REMEDY}, or leave it out to use the default body")
    wanted = (*REQUIRED, *OPTIONAL)
    if zipfile.is_zipfile(path):
        try:
            return read_npz(path, wanted, REMEDY, BodyModelError)
        except ObjectArrayError as error:
            raise UnsafeFileError(
                f"{path}: {error.name} is a pickled Python object, perhaps a sparse matrix, which is never loaded",
                "import the official .pkl that it was made of, or save it as a plain array (.toarray())",
            ) from None
    try:
        content = load_pickle(path, inert=True)
    except UnsafeFileError as error:
        raise UnsafeFileError(str(error), REMEDY) from None
    except DataError as error:
        raise BodyModelError(str(error), REMEDY) from None
    if not isinstance(content, dict):
        raise BodyModelError(f"{path} holds a {type(content).__name__}, not a body model", REMEDY)
    try:
        return {key: _array(key, content[key]) for key in wanted if key in content}
    except BodyModelError as error:
        raise BodyModelError(f"{path}: {error.what}", error.remedy) from None
    except Exception as error:  # whatever strange states make numpy and SciPy raise
        raise BodyModelError(
            f"{path} cannot be read as a body model ({type(error).__name__}: {error})", f"{REMEDY}"
        ) from error


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a body model as `.npz`, under a temporary name until it is whole; equal arrays give equal bytes.

    Args:
        path: the file to write.
        arrays: by SMPL's names; empty ones are left out.

    Raises:
        OutputError: the place cannot be written.
    """
    with atomic_file(path, many_writers=True) as partial, partial.open("wb") as file:
        write_npz(file, {key: array for key, array in arrays.items() if array.size}, compressed=True)


def check_arrays(arrays: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Checks a body model's arrays and brings them to one layout.

    Args:
        arrays: by SMPL's names; shapedirs may have more than ten columns, posedirs may be missing.
        where: named in errors.

    Returns:
        v_template (V, 3), shapedirs (V, 3, 10), posedirs (V, 3, 207; (V, 3, 0) if all zero), J_regressor
        (24, V), weights (V, 24), all float32 and in metres; kintree_table (2, 24) and f (F, 3) int64;
        vert_sym_idxs (V,) int64 if given.

    Raises:
        BodyModelError: an array is missing or its shape, kinematic tree or values are not SMPL's.
    """
    if missing := [key for key in REQUIRED if key not in arrays]:
        raise BodyModelError(f"{where} lacks {', '.join(missing)}, so it is no SMPL body model", REMEDY)
    for key, rank in RANKS.items():
        if key in arrays and (arrays[key].ndim != rank or arrays[key].dtype.kind not in "fiu"):
            raise BodyModelError(
                f"{where}: {key} has shape {arrays[key].shape} and type {arrays[key].dtype}, not {rank} "
                f"dimensions of numbers",
                f"{REMEDY}",
            )
    count = len(arrays["v_template"])
    if not count or not len(arrays["f"]):
        raise BodyModelError(f"{where} has no vertices or no faces", REMEDY)
    features = 9 * (NUM_JOINTS - 1)
    if "posedirs" not in arrays or not np.any(arrays["posedirs"]):
        arrays = {**arrays, "posedirs": np.zeros((count, 3, 0))}
    joints = arrays["J_regressor"].shape[0]
    if joints != NUM_JOINTS:
        model = OTHER_MODELS.get(joints, "another model")
        raise BodyModelError(
            f"{where} has {joints} joints, SMPL has {NUM_JOINTS}: it is of {model}, which cannot take its place",
            f"{REMEDY}",
        )
    shapes: dict[str, list[tuple[int, ...]]] = {
        "v_template": [(count, 3)],
        "shapedirs": [(count, 3, max(NUM_BETAS, arrays["shapedirs"].shape[-1]))],
        "posedirs": [(count, 3, 0), (count, 3, features)],
        "J_regressor": [(NUM_JOINTS, count)],
        "weights": [(count, NUM_JOINTS)],
        "kintree_table": [(2, NUM_JOINTS)],
        "f": [(arrays["f"].shape[0], 3)],
    }
    for key, allowed in shapes.items():
        if arrays[key].shape not in allowed:
            raise BodyModelError(f"{where}: {key} has shape {arrays[key].shape}, not {allowed[-1]}", REMEDY)
        if np.abs(arrays[key]).max(initial=0) > LARGEST_NUMBER or not np.isfinite(arrays[key]).all():
            raise BodyModelError(f"{where}: {key} has values that are not finite or very large", REMEDY)
    if tuple(arrays["kintree_table"][0, 1:].astype(int)) != PARENTS[1:]:
        raise BodyModelError(f"{where}: its kinematic tree is not SMPL's", REMEDY)
    if arrays["f"].min() < 0 or arrays["f"].max() >= count:
        raise BodyModelError(f"{where}: faces point outside its {count} vertices", REMEDY)
    if not np.allclose(arrays["weights"].sum(1), 1, atol=1e-3):
        raise BodyModelError(f"{where}: skinning weights do not sum to 1 at every vertex", REMEDY)

    result = {key: arrays[key].astype(np.float32) for key in
              ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")}  # fmt: skip
    result["shapedirs"] = np.ascontiguousarray(result["shapedirs"][..., :NUM_BETAS])
    result["f"] = arrays["f"].astype(np.int64)
    result["kintree_table"] = np.stack([np.array(PARENTS), np.arange(NUM_JOINTS)])
    partners = arrays.get("vert_sym_idxs", np.empty(0))
    if partners.shape == (count,):
        if partners.min() < 0 or partners.max() >= count:
            raise BodyModelError(f"{where}: vert_sym_idxs points outside its {count} vertices", REMEDY)
        result["vert_sym_idxs"] = partners.astype(np.int64)
    return result


def fingerprint(arrays: dict[str, np.ndarray]) -> str:
    """Identifies a body by what it computes.

    Args:
        arrays: as `check_arrays` returns them.

    Returns:
        First 16 hexadecimal digits of the SHA-256 of the arrays, whichever file they came from.
    """
    digest = hashlib.sha256()
    for key in sorted((*REQUIRED, "posedirs")):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.shape} {array.dtype.str}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
