"""Measure the model that comes with the package, and write its card (the last step of `make weights`).

    python -m benchmarks.weights_card --real ../shared/data --walkers data/weights

The figures are rank-1 in per cent by `benchmarks.zero_shot`: real people where the files are there, held-out
walkers of the store it was trained on, and a small store that a test makes again to see that weights and card
belong together.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import yaml

import meshgait
from benchmarks.real_sets import kth_walks, usf_walks
from benchmarks.zero_shot import Rates, kth_rates, mean_silhouettes, measured, network, usf_rates, walker_rates
from meshgait.recogniser import PRETRAINED
from meshgait.synthetic.generate import generate
from meshgait.synthetic.population import WalkerSettings

SMALL = WalkerSettings(
    bodies=4,
    styles=4,
    test_fraction=1.0,
    views=(20, 90),
    conditions=("nm-01", "nm-02", "nm-03", "bg-01", "cl-01"),
    frames=4,
    fps=4.0,
    seed=1,
    noise="mixed",
    noise_strength=0.8,
    camera_variety=0.7,
)
"""Eight people whom the model has not seen, made in a second or two."""

CARD = """\
---
library_name: meshgait
pipeline_tag: feature-extraction
license: apache-2.0
tags: [gait-recognition, silhouettes, biometrics]
---

# The model that comes with meshgait

`meshgait.load()` without an argument loads it. It embeds walks of one person, silhouettes of {height} x {width}
pixels, in {vectors} vectors of {channels} numbers; walks of the same person lie close together. It also
reconstructs joints, markers and a mesh. It was trained on synthetic walkers alone: no real person's gait is in it.

## Training

`make weights` has the recipe (`experiments/weights`): stage 1, then stage 2 on clean walkers (`start.yaml`), on
240 others with mild noise of segmentation (`mild.yaml`), and on {subjects} with strong noise, varied cameras,
clothes and bodies (`recognise.yaml`). The last part took {steps} steps, {minutes:.0f} minutes on {machine}; seed
{seed}, one run; data SHA-256 {data}. {values:.2f} M values, half precision, {megabytes:.1f} MB. Measured on
{today}. What differs from `make weights`: stage 1 (600 steps) learnt on 131 walkers of a store with stronger
noise; the learning rate of the last part fell to zero at step 4000, then rose again; and until its step 6580
nothing was mirrored, so that all walkers went to the left.

## Figures

Rank-1 in per cent. GEI, mean silhouettes, is the baseline without learning. `python -m benchmarks.zero_shot` says
what each table is.

{tables}
Nothing was trained on real people. One thing of the recipe was chosen by these figures: that half of the walks are
mirrored, as KTH's walks to the right were not known (`docs/what-3d-brings.md`). A
walk of 60 frames is embedded in {seconds:.2f} s on one core.

## Limits

- Real walkers differ from synthetic ones: networks that were trained on real people do much better. Frontal views
  and other clothes are hardest. Measure it on data of the place of use before you rely on it.
- 3D is read from single frames and is that of a synthetic body; which leg is in front is often a guess.
- Gait is biometric data. Silhouettes, embeddings and distances need a ground such as explicit consent (GDPR,
  Art. 9). Not for surveillance, nor for decisions about a person without a human.
"""


def main() -> None:
    """Measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=PRETRAINED, help="folder of the exported model")
    parser.add_argument("--real", type=Path, default=Path("../shared/data"), help="folder of usf_humanid and kth")
    parser.add_argument("--walkers", type=Path, default=Path("data/weights"), help="store it was trained on")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, dict[str, Rates]] = {}
    for name, embed in (("GEI", mean_silhouettes), ("this model", network(str(arguments.model)))):
        tables = measured(arguments.real, "usf", usf_walks, usf_rates, embed)
        tables |= measured(arguments.real, "kth", kth_walks, kth_rates, embed)
        tables["held-out walkers"] = walker_rates(arguments.walkers, embed)
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder) / "store", SMALL, progress=False)
            tables["small walkers"] = walker_rates(Path(folder) / "store", embed)
            tables["small walkers, mirrored"] = walker_rates(Path(folder) / "store", embed, mirror=True)
        for table, by_row in tables.items():
            rows.setdefault(table, {})[name] = by_row[""]
    description = yaml.safe_load((arguments.model / "model.yaml").read_text())
    (arguments.model / "README.md").write_text(card(arguments.model, description, rows), encoding="utf-8")


def card(folder: Path, description: Mapping[str, dict], rows: Mapping[str, Mapping[str, Rates]]) -> str:
    """The card's text."""
    training, size = description["training"], description["settings"]["size"]
    return CARD.format(
        height=size["frame"][0],
        width=size["frame"][1],
        vectors=size["strips"] + size["posture_parts"],
        channels=size["embedding"],
        subjects=training["subjects"],
        steps=training["step"],
        seed=training.get("seed"),
        data=str(training.get("data"))[:12],
        values=description["weights"]["values"] / 1e6,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6,
        machine=training.get("machine"),
        minutes=training.get("seconds", 0) / 60,
        today=datetime.date.today().isoformat(),
        tables="\n".join(_table(name, by_model) for name, by_model in rows.items()),
        seconds=seconds_to_embed(folder),
    )


def seconds_to_embed(folder: Path, frames: int = 60, repeats: int = 5) -> float:
    """Median time to embed a walk, from silhouettes in memory."""
    model = meshgait.load(str(folder))
    walk = np.zeros((frames, 64, 44), np.uint8)
    walk[:, :, 12:30] = 255
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.embed(walk)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _table(name: str, by_model: Mapping[str, Rates]) -> str:
    columns = next(iter(by_model.values()))
    lines = [f"| {name} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for model, rates in by_model.items():
        lines.append(f"| {model} | {' | '.join(f'{rate:.1f}' for rate in rates.values())} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
