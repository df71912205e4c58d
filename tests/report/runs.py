"""Run folders as trainings leave them, made by hand."""

import json

import numpy as np
import trimesh
from PIL import Image

from meshgait.evaluation.record import EvaluationRecord

VIEWS = ("000", "072", "144")
CELLS = {"probe_views": VIEWS, "gallery_views": VIEWS, "rank1": [[99.0, 11.0, 50], [22.0, 88.0, 50], [1, 2, 3.0]]}


def make_run(folder, *, stage=2, uses_3d=True, without=(), store="data/walkers", hash="a1", shift=0.0, seed=0):
    """A finished run.

    Args:
        folder: to make.
        stage: 1 or 2.
        uses_3d: whether the network has its 3D branch.
        without: files or folders that are left out.
        store: path of its data.
        hash: of its data.
        shift: added to the figures.
        seed: of embeddings and meshes.
    """
    folder.mkdir(parents=True)
    name = "Reconstruct" if stage == 1 else "Recognise"
    files = {
        "config.yaml": lambda path: path.write_text(
            json.dumps(  # JSON is YAML
                {
                    "seed_everything": seed,
                    "trainer": {"max_epochs": 8, "precision": None},
                    "model": {
                        "class_path": f"meshgait.stages.x.{name}Stage",
                        "init_args": {"optimizer": {"lr": 0.1 * (seed + 1)}},
                    },
                    "data": {"init_args": {"store": store, **({"views": [0, 72]} if stage == 2 else {"size": 4})}},
                }
            )
        ),
        "metrics.json": lambda path: path.write_text(
            json.dumps(metrics(stage, uses_3d, shift) | {"data": {"path": store, "hash": hash}, "seed": seed})
        ),
        "history.jsonl": lambda path: path.write_text(history(stage)),
        "pictures": pictures,
    }
    if stage == 2:
        files["evaluation.npz"] = lambda path: record(seed=seed).write(path)
    if uses_3d:
        files["mesh.npz"] = lambda path: np.savez(path, **meshes(seed))
    for file, write in files.items():
        if file not in without:
            write(folder / file)
    return folder


def metrics(stage, uses_3d, shift):
    figures = {"train/loss": 1.5}
    if uses_3d:
        figures |= {"val/mpjpe": 43.21 + shift, "val/pa_mpjpe": 35.0, "val/mpvpe": 55.55}
    if stage == 2:
        for prefix, less in (("val", 0), ("gei", 40)):
            for number, condition in enumerate(("bg", "nm")):
                for measure, rate in {"rank1": 70.0, "rank5": 90.0, "mean_ap": 60.0, "mean_inp": 50.0}.items():
                    figures[f"{prefix}/{measure}_{condition}"] = rate - less + 10 * number + shift
            figures[f"{prefix}/rank1"] = 75.0 - less + shift
    return {
        "figures": figures, "stage": "ReconstructStage" if stage == 1 else "RecogniseStage", "uses_3d": uses_3d,
        "protocol": "walkers", "parameters": 1234567, "step": 400, "devices": 1, "precision": "32-true",
        "version": "0.1.0", "git": None, "machine": "a box, 2 cores", "seconds": 3725.4,
        "cells": {"nm": CELLS} if stage == 2 else {},
    }  # fmt: skip


def history(stage):
    lines = []
    for step in range(0, 400, 50):
        values = {"train/loss": 5 / (step + 50), "lr-AdamW": 0.01, "epoch": step // 100, "train/odd": None}
        values |= {"gei/rank1": 35.0, "val/rank1_nm": 80.0 + step / 100}
        if step == 350:
            values |= {"val/rank1": 75.0} if stage == 2 else {"val/mpjpe": 43.2}
        lines.append(json.dumps({"step": step, **values}))
    return "\n".join(lines) + "\n"


def record(subjects=6, seed=0, exclude="same_view", scoring="cells", conditions=("nm", "bg"), hard=1.5):
    """Persons around centres: two gallery sequences and one of each probe condition in every view."""
    rng = np.random.default_rng(seed)
    kinds = ["gallery", "gallery", *conditions]
    rows = [(s, v, k) for k in range(len(kinds)) for v in range(len(VIEWS)) for s in range(subjects)]
    labels, views, kind = np.array(rows).T
    names = np.array(kinds)[kind]
    centres = rng.normal(size=(subjects, 2, 4))
    return EvaluationRecord(
        embeddings=(centres[labels] + hard * rng.normal(size=(len(rows), 2, 4))).astype(np.float16),
        labels=labels, views=views, conditions=names, sequences=np.arange(len(rows)), gallery=names == "gallery",
        probes={name: names == name for name in conditions}, subjects=tuple(f"p{s}" for s in range(subjects)),
        view_names=VIEWS, exclude=exclude, scoring=scoring, protocol="walkers",
    )  # fmt: skip


def meshes(seed=0, frames=3):
    """Balls instead of bodies: nothing that draws them minds."""
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    true = np.stack([ball.vertices * (1, 1.7 + 0.1 * frame, 1) for frame in range(frames)])
    moved = true + np.random.default_rng(seed).normal(scale=0.02, size=true.shape)
    return {
        "vertices": moved.astype(np.float16), "true_vertices": true.astype(np.float16),
        "faces": ball.faces.astype(np.int32), "names": np.array([f"p{f}-nm-01-072" for f in range(frames)]),
        "silhouettes": np.pad(np.full((frames, 48, 20), 255, np.uint8), ((0, 0), (8, 8), (12, 12))),
    }  # fmt: skip


def pictures(folder):
    folder.mkdir()
    for kind, step, size in (
        ("heatmaps", 200, (40, 30)),
        ("heatmaps", 400, (1000, 90)),
        ("confusions", 400, (90, 60)),
    ):
        Image.linear_gradient("L").resize(size).convert("RGB").save(folder / f"{kind}-{step:06d}.png")
    (folder / "confusions-000400.json").write_text("[]")
    frames = [Image.linear_gradient("L").rotate(90 * turn).resize((120, 60)) for turn in range(3)]
    frames[0].save(folder / "walk-000400.gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
