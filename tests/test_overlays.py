"""Ablations and backbones: each is run for two steps on top of an experiment, by the words that users type."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from meshgait.body.markers import MarkerSettings, learn
from meshgait.body.smpl import BodyModel
from meshgait.callbacks.settings import flat
from meshgait.cli import main
from meshgait.stages.checkpoint import read_checkpoint
from meshgait.stages.recognise import RecogniseStage

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[1] / "experiments"
BASE = FOLDER / "finetune" / "walkers.yaml"
ABLATIONS = sorted(path.stem for path in (FOLDER / "ablations").glob("*.yaml"))
FORMS = sorted(path.stem for path in (FOLDER / "sizes").glob("deepgaitv2*.yaml"))


def words(tiny_store, tiny_size, folder):
    size = folder / "size.yaml"
    size.write_text(json.dumps(asdict(tiny_size)))
    small = {
        "trainer.default_root_dir": folder / "run", "trainer.max_epochs": 1, "trainer.check_val_every_n_epoch": 1,
        "trainer.accelerator": "cpu", "wandb": "disabled", "pictures": 0, "data.store": tiny_store,
        "data.batches": 2, "data.subjects": 2, "data.sequences": 2, "data.frames": 3,
    }  # fmt: skip
    return size, [f"--{key}={value}" for key, value in small.items()]


@pytest.fixture(scope="module")
def pretrained(tiny_store, tiny_size, tmp_path_factory):
    """Weights of stage 1 for the ablations that start from some."""
    folder = tmp_path_factory.mktemp("pretrain")
    size, given = words(tiny_store, tiny_size, folder)
    given = [word for word in given if not word.startswith(("--data.subjects", "--data.seq", "--data.frames"))]
    given += [f"--model.size={size}", "--data.batch_size=6", "--data.eval_frames=1"]
    assert main(["fit", "--config", str(FOLDER / "pretrain" / "walkers.yaml"), *given]) == 0
    return folder / "run" / "checkpoints" / "last.ckpt"


def test_the_ablations_of_the_design_are_there():
    wanted = {"2d-only", "3d-only", "concat", "detach", "no-pretraining", "no-mesh-loss", "no-markers", "smplgait"}
    wanted |= {"markers-32", "volume-coarse", "volume-fine"}
    assert wanted <= set(ABLATIONS)


def overlay(name):
    """What an overlay changes of the model."""
    return yaml.safe_load((FOLDER / "ablations" / f"{name}.yaml").read_text())["model"]["init_args"]


STAGE_1 = [name for name in ABLATIONS if overlay(name).keys() <= {"body", "size"}]
"""Ablations of what both stages share; stage 1 is trained with them too."""


def test_stage_1_has_its_ablations():
    assert {"markers-32", "no-markers", "no-mesh-loss", "volume-coarse", "volume-fine"} == set(STAGE_1)


def change_of(name, few_markers):
    """The words of an ablation of the small network: those of its size come last, and markers are at hand."""
    change = overlay(name)
    given = [f"--model.size.{key}={value}" for key, value in change.get("size", {}).items()]
    return given + ([f"--model.body.markers={few_markers}"] if "markers" in change.get("body", {}) else [])


@pytest.fixture(scope="module")
def few_markers(tmp_path_factory):
    """A quickly learnt set of 32."""
    path = tmp_path_factory.mktemp("markers") / "markers-32.npz"
    learn(BodyModel.default(), settings=MarkerSettings(k=32, meshes=20, steps=2)).save(path)
    return path


@pytest.mark.parametrize("name", STAGE_1)
def test_a_stage_1_of_its_own_fits_the_ablation_of_stage_2(name, tiny_store, tiny_size, few_markers, tmp_path):
    size, given = words(tiny_store, tiny_size, tmp_path)
    more = change_of(name, few_markers)
    stage1 = [word for word in given if not word.startswith(("--data.subjects", "--data.seq", "--data.frames"))]
    stage1 += ["--data.batch_size=6", "--data.eval_frames=1", f"--trainer.default_root_dir={tmp_path / 'stage1'}"]
    change = FOLDER / "ablations" / f"{name}.yaml"
    base = [str(FOLDER / "pretrain" / "walkers.yaml"), f"--model.size={size}", f"--config={change}"]
    assert main(["fit", "--config", *base, *more, *stage1]) == 0
    weights = tmp_path / "stage1" / "checkpoints" / "last.ckpt"
    base = [str(BASE), f"--model.size={size}", f"--config={change}", f"--model.pretrained={weights}"]
    assert main(["fit", "--config", *base, *more, *given]) == 0
    one, two = (yaml.safe_load((tmp_path / run / "config.yaml").read_text()) for run in ("stage1", "run"))
    one, two = one["model"]["init_args"], two["model"]["init_args"]
    for key in ("size", "body"):
        assert one[key] == two[key]


@pytest.mark.parametrize("name", ABLATIONS)
def test_it_changes_what_it_says_and_runs(name, tiny_store, tiny_size, pretrained, few_markers, tmp_path):
    size, given = words(tiny_store, tiny_size, tmp_path)
    change, body = overlay(name), overlay(name).get("body", {})
    more = ["--config", str(FOLDER / "ablations" / f"{name}.yaml"), *change_of(name, few_markers)]
    if "markers" in body:
        change["body"]["markers"] = str(few_markers)  # the command line's
    if {"markers", "size"} & {*change, *body}:  # needs a stage 1 of its own: the test before this one
        more.append("--model.pretrained=null")
    elif "pretrained" not in change:
        more.append(f"--model.pretrained={pretrained}")
    # the small size comes first, so that an ablation of the size is one of the small network
    assert main(["fit", "--config", str(BASE), f"--model.size={size}", *more, *given]) == 0
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["model"]["init_args"]
    given, kept = flat(change), flat(kept)
    assert given and {key: kept[key] for key in given} == given
    assert kept["optimizer.lr"] == yaml.safe_load(BASE.read_text())["model"]["init_args"]["optimizer"]["lr"]
    stage = RecogniseStage.load(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert (stage.network.lifter is None) == (name in ("2d-only", "smplgait"))
    assert (stage.network.trunk is None) == (name == "3d-only")
    assert (stage.network.transform is not None) == (name == "smplgait")
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt").step == 2


@pytest.mark.parametrize("name", FORMS)
def test_a_backbone_replaces_that_of_an_experiment(name, tiny_store, tiny_size, tmp_path):
    """With the blocks of the size file, but narrow; frames are ordered."""
    _, given = words(tiny_store, tiny_size, tmp_path)
    file = FOLDER / "sizes" / f"{name}.yaml"
    wanted = yaml.safe_load(file.read_text())
    small = asdict(tiny_size)
    narrow = [f"--model.size.{key}={list(small[key])}" for key in ("channels", "strides")]
    narrow += [
        f"--model.size.{key}={small[key]}" for key in small if key.startswith(("lifter", "reader", "volume"))
    ]
    form = [] if name == "deepgaitv2" else [f"--model.size={file}"]  # the overlay itself has the full size
    more = ["--config", str(FOLDER / "backbones" / "deepgaitv2.yaml"), *form, *narrow, "--model.pretrained=null"]
    assert main(["fit", "--config", str(BASE), *more, *given]) == 0
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["model"]["init_args"]["size"]["blocks"] == wanted["blocks"]
    assert kept["model"]["init_args"]["size"]["pseudo_3d"] == wanted.get("pseudo_3d", False)
    assert kept["data"]["init_args"]["frame_mode"] == "window"
    stage = RecogniseStage.load(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert [len(part) for part in stage.network.trunk] == wanted["blocks"][1:]
    assert (stage.network.trunk[0][0].time is not None) == wanted.get("pseudo_3d", False)
