"""Which model the betas of a file of fits are of: SMPL-X and male and female SMPL differ from neutral SMPL.

The same ten numbers make another body there, and the numbers do not show it. The names of other arrays in the file
do, and texts that name the model or the gender.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

MODEL_KEYS = ("surface_model_type", "body_model_type", "body_model", "model_type")
GENDER_KEYS = ("gender", "genders")
GENDERS = {"male": "male", "m": "male", "female": "female", "f": "female"}
OTHER_MODELS = {
    "smplx": "SMPL-X",
    "star": "STAR",
    "supr": "SUPR",
    "mano": "MANO",
    "flame": "FLAME",
    "ghum": "GHUM",
}
"""Beginnings of models' names, without hyphens."""
SMPLX_ARRAYS = ("expression", "expr", "jaw_pose", "leye_pose", "reye_pose", "pose_jaw", "pose_eye")
"""Arrays that files of SMPL-X have and those of SMPL have not."""


def is_text_key(name: str) -> bool:
    """Whether an array of this name may say of which model or gender the betas are."""
    return _last(name) in (*MODEL_KEYS, *GENDER_KEYS)


def other_shape_space(names: Iterable[str], texts: Mapping[str, object]) -> str:
    """What shows that betas are not those of the neutral SMPL; empty if nothing does.

    Args:
        names: of all arrays of a file, parts joined by slashes.
        texts: content of those whose names `is_text_key` knows: text, bytes, or arrays or lists of such.
    """
    for name in sorted(names):
        if _last(name) in SMPLX_ARRAYS or "smplx" in _plain(name):
            return f"has {name}, so it is of SMPL-X"
    for name, content in sorted(texts.items()):
        for word in _words(content):
            model = next((model for start, model in OTHER_MODELS.items() if word.startswith(start)), None)
            if model and _last(name) in MODEL_KEYS:
                return f"says in {name} that it is of {model}"
            if word in GENDERS and _last(name) in GENDER_KEYS:
                return f"says in {name} that it is of the {GENDERS[word]} SMPL"
    return ""


def _last(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _plain(text: str) -> str:
    return text.lower().replace("-", "").replace("_", "").strip()


def _words(content: object) -> set[str]:
    """The texts in a text, or in an array or a list of some."""
    parts = content.ravel().tolist() if isinstance(content, np.ndarray) else content
    parts = parts if isinstance(parts, list | tuple) else [parts]
    texts = [part.decode("latin1") if isinstance(part, bytes) else part for part in parts]
    return {_plain(text) for text in texts if isinstance(text, str)}
