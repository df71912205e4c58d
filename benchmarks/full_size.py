"""Both stages at full size on data of Gait3D's form: two steps each, their time and peak memory.

    python benchmarks/full_size.py --subjects 8 --sequences 4 --frames 30

3,000 subjects are made of a few walkers whose sequences are written again under other names, so nothing is learnt;
the shapes, classifier and memory are those of a real training. P x K sequences are one batch; the published
32 x 4 come from `--accumulate 4` at 8 x 4 (triplets are then of 8 x 4). Stage 2 recomputes activations.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from meshgait.data.store import Store, StoreWriter
from meshgait.progress import track
from meshgait.synthetic.generate import generate
from meshgait.synthetic.population import WalkerSettings

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
PEOPLE = 3000
TEST = 4
VIDEOS = ("camid0_videoid0", "camid1_videoid1", "camid2_videoid2", "camid3_videoid3")


def main() -> None:
    """Make the data, run both stages, print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=8)
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_people(root / "gait3d", arguments.frames)
        batches = arguments.steps * arguments.accumulate
        common = [
            f"--data.store={root / 'gait3d'}", f"--data.batches={batches}", f"--threads={arguments.threads}",
            "--model.body.file=null", "--model.body.markers=null", "--trainer.max_epochs=1",
            "--trainer.check_val_every_n_epoch=1", "--wandb=disabled", "--pictures=0",
        ]  # fmt: skip
        stage1 = [f"--trainer.default_root_dir={root / 'stage1'}", "--trainer.limit_val_batches=1"]
        stage2 = [
            f"--trainer.default_root_dir={root / 'stage2'}", "--model.checkpointing=true",
            f"--model.pretrained={root / 'stage1' / 'checkpoints' / 'last.ckpt'}",
            f"--data.subjects={arguments.subjects}", f"--data.sequences={arguments.sequences}",
            f"--data.frames={arguments.frames}", f"--data.frames_max={arguments.frames}",
            f"--trainer.accumulate_grad_batches={arguments.accumulate}",
        ]  # fmt: skip
        figures = {"batch": [arguments.subjects, arguments.sequences, arguments.frames], "steps": arguments.steps}
        for name, more in (("pretrain", stage1), ("finetune", stage2)):
            figures[name] = run_stage(EXPERIMENTS / name / "gait3d.yaml", [*common, *more])
            print(f"{name}: {figures[name]}", flush=True)
        metrics = json.loads((root / "stage2" / "metrics.json").read_text())
        figures |= {"steps_done": metrics["step"], "parameters": metrics["parameters"]}
    print(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def write_people(path: Path, frames: int) -> None:
    """A store of Gait3D's form: 3,000 training subjects with four sequences each, and a few to test on."""
    settings = WalkerSettings(bodies=4, styles=4, views=(0, 72), conditions=("nm-01", "nm-02"), frames=frames)
    generate(path.with_name("walkers"), settings, workers=2)
    source = Store(path.with_name("walkers"))
    writer = StoreWriter(path, smpl=True, source={"made_by": "benchmarks/full_size.py"})
    names = [f"{number:04d}" for number in range(PEOPLE + TEST)]
    for number, name in enumerate(track(names, "writing subjects", len(names), "subjects")):
        for place, video in enumerate(VIDEOS):
            index = (number * len(VIDEOS) + place) % len(source.sequences)
            writer.add(name, video, "seq0", source.silhouettes(index), **source.smpl(index))
    probes = [f"{name}-{VIDEOS[0]}-seq0" for name in names[PEOPLE:]]
    writer.finish({"TRAIN_SET": names[:PEOPLE], "TEST_SET": names[PEOPLE:], "PROBE_SET": probes})


def run_stage(config: Path, words: list[str]) -> dict[str, float]:
    """Time and peak resident memory of one fit in a process of its own."""
    start = time.monotonic()
    # what was freed would be kept for later otherwise (meshgait.allocator): quicker, but twice as much
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
    command = [sys.executable, "-m", "meshgait.cli", "fit", "--config", str(config), *words]
    subprocess.run(command, check=True, env=environment)
    # of all children so far, hence never less than that of this one
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"seconds": round(time.monotonic() - start, 1), "peak_gib": round(peak / 2**20, 2)}


if __name__ == "__main__":
    main()
