"""SMPL fits as body estimators write them -> rows of 85 numbers: camera 3, pose 72, betas 10.

Every estimator has its own names for the same arrays, so a **mapping** says where things are, as comma-separated
`what=key`:

    pose=smpl_thetas,betas=smpl_betas,camera=cam

- `pose` (needed): rotations of the joints, root first; several arrays are joined by `+`
  (`pose=global_orient+body_pose`). Axis-angle, rotation matrices or six numbers a rotation: the shape says which;
  24 joints of SMPL, or the 22 of the body of SMPL-H and SMPL-X (its hands are then left straight).
- `betas` (needed): (T, 10 or more), or one set for all frames.
- `shape`: whose shape space the betas are of, needed where the arrays look like SMPL-X's (55 joints, 21 of a body
  without its root, or arrays such as `expression`), or the file says that they are of another model or gender:
  such betas mean other bodies. `shape=smpl` takes them, for SMPL-H, betas fitted to SMPL, or a `--body` of that
  gender; `shape=mean` takes poses alone, on the mean body.
- `camera`: (T, 3) weak perspective scale, right, down in the image; zeros if left out.
- `six`: how six numbers make a rotation (Zhou et al., CVPR 2019), needed with them alone, because programs differ:
  `columns` (first column, then second: 4D-Humans), `interleaved` (rows of the first two columns: SPIN) or `rows`
  (first row, then second: PyTorch3D).

A name of `PRESETS` stands for a mapping. Keys of nested dicts are joined by `/`. Files are .npz, or .pkl of a dict
of arrays; a folder is one sequence, a file a frame in natural order, of which the first person counts. Python
objects are never unpickled: the files of ROMP hold some, see the remedy in the error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from einops import rearrange

from meshgait.arrays import ObjectArrayError, npz_names, read_npz
from meshgait.data.folders import list_folder, natural_key
from meshgait.data.shape_spaces import is_text_key, other_shape_space
from meshgait.errors import ConfigError, DataError, UnsafeFileError, python_command
from meshgait.pickles import load_pickle, to_array

PRESETS = {
    "romp": "pose=smpl_thetas,betas=smpl_betas,camera=cam",
    "hmr2": "pose=pred_smpl_params/global_orient+pred_smpl_params/body_pose,"
    "betas=pred_smpl_params/betas,camera=pred_cam",
    "smpl": "pose=poses,betas=betas",
}
"""Mappings by name: ROMP's arrays, those of HMR 2.0 (4D-Humans), the names of SMPL itself."""

JOINTS, BODY_JOINTS, BETAS = 24, 22, 10
WHOLE = (22, 24, 52, 55)
"""Joints of the body of SMPL-H and SMPL-X alone, of SMPL, SMPL-H and SMPL-X."""

PARTS = (1, 21, 23)
"""Joints of a root, and of a body without it."""

NUMBERS = {"axis-angle": 3, "six": 6, "matrix": 9}
FLAT = {width * joints: kind for kind, width in NUMBERS.items() for joints in (*WHOLE, *PARTS)}
"""Kind of rotations by the numbers per frame of a flat array; all differ."""

SIX, SHAPES = ("columns", "interleaved", "rows"), ("smpl", "mean")
SMPLX_JOINTS = (BODY_JOINTS, 55)
"""Joints of SMPL-X, or of its body or that of SMPL-H alone."""
LONGEST_NAME = 500
"""Length of joined keys up to which nested dicts are read."""
TOLERANCE = 0.05
"""By how much a product of a matrix and its transpose may differ from the identity: half precision and more."""

_FILES = (".npz", ".pkl")
_OTHER_SHAPES = (
    "its betas are of another shape space: add shape=mean to the mapping, which takes the poses alone, or "
    "shape=smpl if they are SMPL's, SMPL-H's, or of the gender of your --body"
)
_REMEDY = "name arrays of the file by pose=...,betas=...,camera=..."


def parse_mapping(text: str) -> dict[str, str]:
    """Mapping of a preset's name or of comma-separated `what=key`.

    Raises:
        ConfigError: not of that form.
    """
    parts = [part.partition("=") for part in PRESETS.get(text, text).split(",")]
    mapping = {what.strip(): key.strip() for what, _, key in parts}
    known = ("pose", "betas", "camera", "six", "shape")
    if (
        len(mapping) < len(parts)
        or not all(mapping.values())
        or not {"pose", "betas"} <= mapping.keys() <= {*known}
    ):
        raise ConfigError(
            f"the mapping of fits {text!r} is none of {', '.join(PRESETS)} and not of the form "
            "pose=KEY[+KEY],betas=KEY[,camera=KEY][,six=columns|interleaved|rows][,shape=smpl|mean]",
            "name each once",
        )
    for what, choices in (("six", SIX), ("shape", SHAPES)):
        if mapping.get(what, choices[0]) not in choices:
            raise ConfigError(
                f"{what}={mapping[what]} in the mapping of fits is unknown", f"choose one of {', '.join(choices)}"
            )
    return mapping


def read_fits(path: Path | str, mapping: str | Mapping[str, str]) -> np.ndarray:
    """Read the SMPL fits of one sequence.

    Args:
        path: .npz or .pkl file of T frames, or a folder of such files, a frame each.
        mapping: which arrays are what, see above: text, or what `parse_mapping` made of it.

    Returns:
        (T, 85) float32: camera 3, pose 72 axis-angle in radians, betas 10. Frames that hold no rotations
        (not finite, or matrices that are none) are not finite.

    Raises:
        DataError: the file is missing or damaged, lacks an array, or an array has an impossible shape.
        UnsafeFileError: the arrays are Python objects; nothing of them was loaded.
        ConfigError: a malformed mapping.
    """
    path = Path(path)
    mapping = parse_mapping(mapping) if isinstance(mapping, str) else mapping
    if not path.is_dir():
        return _rows(_arrays(path, mapping), mapping, path)
    try:
        names = [name for name in list_folder(path).files if name.endswith(_FILES)]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "check its rights") from None
    files = [path / name for name in sorted(names, key=natural_key)]
    if not files:
        raise DataError(
            f"{path} has no .npz or .pkl files", "give a file of SMPL fits, or a folder of one a frame"
        )
    frames = [_rows(_arrays(file, mapping), mapping, file)[:1] for file in files]
    empty = np.full((1, 3 + 3 * JOINTS + BETAS), np.nan, np.float32)
    return np.concatenate([frame if len(frame) else empty for frame in frames])


def _arrays(path: Path, mapping: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The arrays that the mapping names, by key."""
    wanted = [key for what in ("pose", "betas", "camera") if what in mapping for key in mapping[what].split("+")]
    if path.suffix == ".pkl":
        content = load_pickle(path)
        there = _flat(content) if isinstance(content, dict) else {}
        names = [str(name)[:200] for name in there]
        texts = {str(name): value for name, value in there.items() if is_text_key(str(name))}
        try:
            found = {key: to_array(there[key]) for key in wanted if key in there}
        except ValueError as error:
            raise DataError(f"{path} holds {error}, or lists of unequal length", _REMEDY) from None
    else:
        remedy = "give a .npz or .pkl file of SMPL fits, or copy it again"
        names = npz_names(path, remedy)
        try:
            # ROMP puts a dict of arrays into one array of objects, called results
            found = read_npz(path, [*wanted, "results"], remedy)
        except ObjectArrayError as error:
            raise UnsafeFileError(
                f"{path}: {error.name} is a pickled Python object, which may run code and is never loaded",
                f"if you made the file yourself, write plain arrays: {_to_plain(path, error.name, wanted)}",
            ) from None
        found = {key: found[key] for key in wanted if key in found}
        texts = {}
        for name in filter(is_text_key, names):
            with suppress(ObjectArrayError):  # of older files, which cannot be read safely
                texts |= read_npz(path, [name], remedy)
    if "shape" not in mapping and (sign := other_shape_space(names, texts)):
        raise DataError(f"{path} {sign}", f"{_OTHER_SHAPES}")
    if missing := [key for key in wanted if key not in found]:
        raise DataError(
            f"{path} has the arrays {', '.join(names) or '(none)'}, not {', '.join(missing)}", f"{_REMEDY}"
        )
    return found


def _to_plain(path: Path, name: str, wanted: list[str]) -> str:
    """Command that makes plain arrays of an object that holds them.

    The object may be a dict of arrays, a list of such (the first person counts), or a dict of either by frame.
    """
    source, plain, entry, first, keys = map(
        json.dumps, (str(path), str(path.with_name(f"{path.stem}_plain.npz")), name, wanted[0], wanted)
    )
    return python_command(
        f"import numpy as np; r = np.load({source}, allow_pickle=True)[{entry}][()]; "
        f"r = r if isinstance(r, dict) else r[0]; d = [r] if {first} in r else list(r.values()); "
        "d = [f if isinstance(f, dict) else f[0] for f in d]; n = 1 if len(d) > 1 else None; "
        f"np.savez({plain}, **{{k: np.concatenate([np.atleast_2d(f[k])[:n] for f in d]) for k in {keys}}})"
    )


def _flat(content: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested dicts as one, keys joined by a slash; those with very long names stay as they are."""
    result: dict[str, object] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and len(name) < LONGEST_NAME:
            result |= _flat(value, f"{name}/")
        else:
            result[name] = value
    return result


def _rows(arrays: Mapping[str, np.ndarray], mapping: Mapping[str, str], path: Path) -> np.ndarray:
    """Rows (T, 85) of the arrays of one file."""
    for key, array in arrays.items():
        if array.dtype.kind not in "fiu" or array.ndim == 0 or array.shape[-1] == 0:
            raise DataError(f"{path}: {key} is {array.dtype} {array.shape}, not an array of numbers", _REMEDY)
    poses = [_rotations(arrays[key], key, mapping, path) for key in mapping["pose"].split("+")]
    if len({len(pose) for pose in poses}) > 1:
        raise DataError(f"{path}: {mapping['pose']} differ in their number of frames", _REMEDY)
    pose = np.concatenate(poses, axis=1)
    if pose.shape[1] not in WHOLE:
        raise DataError(
            f"{path}: {mapping['pose']} are {pose.shape[1]} rotations a frame, not the {JOINTS} of SMPL (or the "
            f"{BODY_JOINTS} of SMPL-H and SMPL-X and more)",
            "join root and body by pose=ROOT+BODY",
        )
    if pose.shape[1] in SMPLX_JOINTS and "shape" not in mapping:
        raise DataError(f"{path}: {mapping['pose']} are {pose.shape[1]} joints, as of SMPL-X", f"{_OTHER_SHAPES}")
    if pose.shape[1] != JOINTS:
        pose = np.concatenate([pose[:, :BODY_JOINTS], np.zeros((len(pose), JOINTS - BODY_JOINTS, 3))], axis=1)
    count = len(pose)
    betas = arrays[mapping["betas"]].astype(np.float64)
    betas = betas.reshape(-1, betas.shape[-1])
    if betas.shape[1] < BETAS or len(betas) not in (1, count):
        shape = arrays[mapping["betas"]].shape
        raise DataError(
            f"{path}: {mapping['betas']} is {shape}, not ({count}, {BETAS}) or ({BETAS},)", f"{_REMEDY}"
        )
    camera = np.zeros((count, 3))
    if "camera" in mapping:
        camera = arrays[mapping["camera"]].reshape(-1, arrays[mapping["camera"]].shape[-1])
        if camera.shape != (count, 3):
            raise DataError(
                f"{path}: {mapping['camera']} is {arrays[mapping['camera']].shape}, not ({count}, 3)",
                f"{_REMEDY}, or leave the camera out",
            )
    betas = np.broadcast_to(betas[:, :BETAS] * (mapping.get("shape") != "mean"), (count, BETAS))
    with np.errstate(over="ignore"):  # too large numbers become not finite, and their frames not valid
        return np.concatenate([camera, rearrange(pose, "t j c -> t (j c)"), betas], axis=1).astype(np.float32)


def _rotations(array: np.ndarray, key: str, mapping: Mapping[str, str], path: Path) -> np.ndarray:
    """Axis-angle (T, J, 3) of rotations of any kind; not finite where they are none."""
    kind = _kind(array.shape[1:])
    if kind is None:
        raise DataError(
            f"{path}: {key} is {array.shape}; rotations are (T, J, 3) axis-angle, (T, J, 3, 3) matrices or "
            f"(T, J, 6), or these flat, of J = {JOINTS} joints",
            f"{_REMEDY}",
        )
    if kind == "six" and "six" not in mapping:
        raise DataError(
            f"{path}: {key} is {array.shape}, six numbers a rotation, which programs arrange differently",
            "add six=columns (4D-Humans), six=interleaved (SPIN) or six=rows (PyTorch3D) to the mapping",
        )
    joints = int(np.prod(array.shape[1:])) // NUMBERS[kind]
    flat = array.reshape(len(array), joints, NUMBERS[kind]).astype(np.float64)
    if kind == "axis-angle":
        return flat
    if kind == "matrix":
        matrices = rearrange(flat, "t j (r c) -> t j r c", r=3)
    else:
        matrices = _from_six(flat, mapping["six"])
    return _to_axis_angle(matrices, key, path)


def _kind(shape: tuple[int, ...]) -> str | None:
    """Kind of the rotations of a frame of this shape, or None."""
    if shape[-2:] == (3, 3) and len(shape) in (2, 3):
        return "matrix"
    if len(shape) == 2 and shape[1] in (3, 6):
        return "six" if shape[1] == 6 else "axis-angle"
    return FLAT.get(shape[0]) if len(shape) == 1 else None


def _from_six(numbers: np.ndarray, layout: str) -> np.ndarray:
    """Matrices (T, J, 3, 3) by orthogonalising the two vectors of (T, J, 6)."""
    if layout == "interleaved":
        first, second = numbers[..., 0::2], numbers[..., 1::2]
    else:
        first, second = numbers[..., :3], numbers[..., 3:]
    with np.errstate(divide="ignore", invalid="ignore"):  # vectors of no length become not finite
        x = first / np.linalg.norm(first, axis=-1, keepdims=True)
        y = second - np.sum(x * second, axis=-1, keepdims=True) * x
        y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], axis=-2 if layout == "rows" else -1)


def _to_axis_angle(matrices: np.ndarray, key: str, path: Path) -> np.ndarray:
    """Axis-angle (T, J, 3); not finite in frames with a matrix that is no rotation."""
    from scipy.spatial.transform import Rotation  # slow to load, and axis-angle needs none of it

    with np.errstate(invalid="ignore"):
        square = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max(axis=(1, 2, 3), initial=0)
        sound = (square < TOLERANCE) & (np.linalg.det(matrices) > 0).all(axis=1)
    if len(matrices) and not sound.any():
        raise DataError(f"{path}: {key} {matrices.shape} holds no rotation matrices in any frame", _REMEDY)
    result = np.full(matrices.shape[:3], np.nan)
    if sound.any():
        turns = Rotation.from_matrix(rearrange(matrices[sound], "t j r c -> (t j) r c"))
        result[sound] = rearrange(turns.as_rotvec(), "(t j) c -> t j c", t=int(sound.sum()))
    return result
