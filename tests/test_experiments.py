"""Each shipped experiment is run for a step or two, by the command line that users type."""

import copy
import itertools
import json
import shutil
import struct
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from meshgait.callbacks import panels
from meshgait.cli import main
from meshgait.data.store import Store, StoreWriter
from meshgait.models.size import NetworkSize
from meshgait.stages.checkpoint import read_checkpoint
from meshgait.stages.recognise import RecogniseStage

FOLDER = Path(__file__).parents[1] / "experiments"
CONTENT = {
    path.relative_to(FOLDER).as_posix(): yaml.safe_load(path.read_text()) for path in FOLDER.rglob("*.yaml")
}
SIZES = sorted(name for name in CONTENT if name.startswith("sizes/"))
PRETRAIN, FINETUNE, FLAT = "pretrain/walkers.yaml", "finetune/walkers.yaml", "walkers-2d"
OVERLAID = {FLAT: (FINETUNE, "ablations/2d-only.yaml"), "usf-2d": ("usf/gallery.yaml", "ablations/2d-only.yaml")}
"""What `make baseline` and `make usf` train besides: an experiment and an overlay."""


def overlaid(name, change):
    content = copy.deepcopy(CONTENT[name])
    content["model"]["init_args"] |= CONTENT[change]["model"]["init_args"]
    return content


CONTENT |= {name: overlaid(*files) for name, files in OVERLAID.items()}
EXPERIMENTS = sorted(name for name, content in CONTENT.items() if "trainer" in content)


def subject_of(protocol, number):
    """How a data set names the walkers 1..4, who train, and 5..8, who are tested."""
    if protocol == "oumvlp":
        return f"{2 * number - (number < 5):05d}"  # odd numbers train
    return f"{number + 70 * (number > 4) if protocol == 'casia-b' else number:03d}"  # CASIA-B trains up to 074


CONDITIONS = {
    "usf": {"nm-01": "Gal-1", "nm-02": "Gal-2", "nm-03": "PrbA-1", "bg-01": "PrbB-1"},
    "casia-b": {"nm-01": "nm-01", "nm-02": "nm-05", "bg-01": "bg-01", "cl-01": "cl-01"},
    "oumvlp": {"nm-01": "01", "nm-02": "00"},
    "grew-local": {"nm-01": "01", "nm-02": "02"},
    "gait3d": {"nm-01": "camid0_videoid0", "nm-02": "camid1_videoid0"},
}
"""Conditions of each data set, by those of the walkers that stand for them."""


@pytest.fixture(scope="session")
def stores(tiny_store, tmp_path_factory) -> dict[str, Path]:
    """A tiny store for each protocol that an experiment names, laid out as the data set is."""
    source, paths = Store(tiny_store), {"walkers": tiny_store}
    for protocol, conditions in CONDITIONS.items():
        paths[protocol] = tmp_path_factory.mktemp(protocol) / "store"
        writer = StoreWriter(paths[protocol], smpl=protocol == "gait3d")
        for index, walk in enumerate(source.sequences):
            if walk.condition in conditions:
                name = subject_of(protocol, int(walk.subject))
                smpl = source.smpl(index) if writer.smpl else {}
                writer.add(name, conditions[walk.condition], walk.view, source.silhouettes(index), **smpl)
        train, test = ([subject_of(protocol, n) for n in range(first, first + 4)] for first in (1, 5))
        partition = {"TRAIN_SET": train, "TEST_SET": test}
        partition["PROBE_SET"] = [f"{name}-camid1_videoid0-000" for name in test]
        writer.finish(partition if protocol in ("grew-local", "gait3d") else None)
    return paths


@pytest.fixture(scope="session")
def size_file(tmp_path_factory, tiny_size) -> Path:
    path = tmp_path_factory.mktemp("size") / "tiny.yaml"
    path.write_text(json.dumps(asdict(tiny_size)))
    return path


@pytest.fixture(scope="session")
def words(stores, size_file):
    """The command line of an experiment, cut down to seconds."""

    def command(verb, name, folder, *more, steps=2):
        settings = CONTENT[name]["data"]["init_args"]
        small = {
            "trainer.default_root_dir": folder, "trainer.max_epochs": 1, "trainer.check_val_every_n_epoch": 1,
            "trainer.accelerator": "cpu", "wandb": "disabled", "model.size": size_file, "data.batches": steps,
            "data.store": stores[settings.get("protocol", "walkers")],
        }  # fmt: skip
        if CONTENT[name]["data"]["class_path"].endswith("BodyDataModule"):
            small |= {"data.batch_size": 6, "data.eval_frames": 2}
        else:
            small |= {"data.subjects": 2, "data.sequences": 2, "data.frames": 3}
            small |= {"data.frames_max": 4} if "frames_max" in settings else {}
        for licensed in {"file", "markers"} & CONTENT[name]["model"]["init_args"].get("body", {}).keys():
            small[f"model.body.{licensed}"] = "null"
        if "walkers" in settings:
            few = {"bodies": 2, "styles": 2, "views": [0], "conditions": ["nm-01"], "frames": 4}
            small |= {f"data.walkers.{key}": value for key, value in few.items()}
            small |= {"data.shards": 1, "data.shard_folder": Path(folder, "shards")}
        if "body_store" in settings:
            small |= {"data.body_store": stores["walkers"], "data.body_frames": 4}
        given = [f"--{key}={value}" for key, value in small.items()]
        configs = [word for file in OVERLAID.get(name, [name]) for word in ("--config", str(FOLDER / file))]
        return [verb, *configs, *given, *map(str, more)]

    return command


@pytest.fixture(scope="session")
def fit(words, tmp_path_factory):
    """Run folder of an experiment, each of which is run once."""
    done: dict[str, Path] = {}

    def folder(name):
        if name not in done:
            path = tmp_path_factory.mktemp("runs") / Path(name).stem
            more = []
            if CONTENT[name]["model"]["init_args"].get("pretrained"):
                more.append(f"--model.pretrained={folder(PRETRAIN) / 'checkpoints' / 'last.ckpt'}")
            with pytest.MonkeyPatch.context() as patch:
                if name != PRETRAIN:  # one real picture is enough
                    patch.setattr(panels, "heatmap_panel", lambda *_: np.zeros((8, 8, 3), np.uint8))
                assert main(words("fit", name, path, *more)) == 0
            done[name] = path
        return done[name]

    return folder


def metrics(folder, name="metrics.json"):
    return json.loads((folder / name).read_text())


def test_there_are_the_three_experiments_of_the_readme():
    assert {PRETRAIN, FINETUNE, FLAT} <= set(EXPERIMENTS)


def settings_of(content, prefix=""):
    """(name, value) of every setting; class paths are left out, for they follow from the folder."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from settings_of(value, f"{prefix}{key}.")
        elif key != "class_path":
            yield f"{prefix}{key}", str(value)


def test_no_two_files_say_the_same():
    """An experiment that differs from another one in three settings or fewer is an overlay of it."""
    shipped = {name: set(settings_of(CONTENT[name])) for name in CONTENT.keys() - OVERLAID.keys()}
    for one, two in itertools.combinations(sorted(shipped), 2):
        differing = {name for name, _ in shipped[one] ^ shipped[two]}
        assert len(differing) > (3 if {one, two} <= set(EXPERIMENTS) else 0), (one, two)


RECIPES = {
    # P x K, frames, milestones and steps in thousands, weight decay, as published with GaitBase (CVPR 2023)
    "casia-b": (8, 16, 30, None, (20, 40, 50), 60, 5e-4),
    "oumvlp": (32, 8, 30, None, (60, 80, 100), 120, 5e-4),
    "grew": (32, 4, 20, 40, (80, 120, 150), 180, 5e-4),
    "gait3d": (32, 4, 10, 50, (20, 40, 50), 60, 5e-4),
}


@pytest.mark.parametrize("name", RECIPES)
def test_real_data_sets_start_from_the_published_recipes(name):
    content = CONTENT[f"finetune/{name}.yaml"]
    data, model = content["data"]["init_args"], content["model"]["init_args"]
    optimizer = model["optimizer"]
    recipe = (
        *(data.get(key) for key in ("subjects", "sequences", "frames", "frames_max")),
        tuple(step // 1000 for step in optimizer["milestones"]),
        content["trainer"]["max_epochs"] * data["batches"] // 1000,
        optimizer["weight_decay"],
    )
    assert recipe == RECIPES[name]
    assert [optimizer[key] for key in ("name", "lr", "warmup", "decay_vectors")] == ["sgd", 0.1, 0.0, True]


def test_stage_2_starts_from_a_stage_1_that_is_shipped():
    folders = {CONTENT[name].get("trainer", {}).get("default_root_dir"): name for name in EXPERIMENTS}
    for name in EXPERIMENTS:
        chain = [name]
        while pretrained := CONTENT[chain[-1]]["model"]["init_args"].get("pretrained"):
            chain.append(folders[pretrained.removesuffix("/checkpoints/last.ckpt")])
        if len(chain) > 1:
            assert CONTENT[chain[-1]]["model"]["class_path"].endswith(".ReconstructStage")
        assert len({CONTENT[of]["model"]["init_args"]["size"] for of in chain}) == 1


@pytest.mark.parametrize("name", SIZES)
def test_sizes_can_be_built(name):
    NetworkSize(**{key: tuple(v) if isinstance(v, list) else v for key, v in CONTENT[name].items()})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_runs_and_leaves_what_a_run_leaves(fit, stores, name):
    folder, settings = fit(name), CONTENT[name]["model"]["init_args"]
    deep = settings.get("network", {}).get("use_3d", True)
    content = metrics(folder)
    recognises = content["stage"] == "RecogniseStage"
    assert content["step"] == 2
    assert content["uses_3d"] is deep
    protocol = CONTENT[name]["data"]["init_args"].get("protocol", "walkers")
    assert content["data"]["hash"] == Store(stores[protocol]).hash
    assert np.isfinite(list(content["figures"].values())).all()
    assert ("val/rank1" in content["figures"]) == ("gei/rank1" in content["figures"]) == recognises
    with_truth = deep and Store(stores[protocol]).has_smpl
    assert ("val/mpjpe" in content["figures"]) == with_truth
    if deep:
        assert "train/vertices" in content["figures"]  # from the same batches or from those of the body store
    assert (folder / "pictures" / "heatmaps-000002.png").is_file() == deep
    assert yaml.safe_load((folder / "config.yaml").read_text())["trainer"]["max_epochs"] == 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_its_checkpoint_holds_nothing_but_plain_data(fit, name):
    path = fit(name) / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    assert content["global_step"] == 2
    assert read_checkpoint(path).stage == metrics(fit(name))["stage"]
    body = [name for name in content["state_dict"] if not name.startswith(("network.", "supervision.mesh.gamma"))]
    assert body == []  # a licensed body model must not travel along


def test_the_picture_shows_silhouettes_volumes_and_meshes(fit):
    picture = np.asarray(Image.open(fit(PRETRAIN) / "pictures" / "heatmaps-000002.png"))
    assert picture.shape[0] > 6 * 200 and picture.shape[1] > 1000
    colours = picture.astype(int) @ np.array([1 << 16, 1 << 8, 1])
    assert len(np.unique(colours)) > 500


def test_the_configuration_that_is_kept_runs_again_to_the_same_weights(fit, tmp_path):
    """What is written is resolved: it does not point at files or defaults that may change."""
    again = tmp_path / "again"
    config = fit(FLAT) / "config.yaml"
    assert main(["fit", "--config", str(config), f"--trainer.default_root_dir={again}"]) == 0
    one, two = (torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in (fit(FLAT), again))
    assert all(torch.equal(value, two["state_dict"][name]) for name, value in one["state_dict"].items())


def test_stage_2_starts_from_stage_1_and_frozen_parts_stay_there(fit, words, tmp_path):
    first = fit(PRETRAIN) / "checkpoints" / "last.ckpt"
    more = [f"--model.pretrained={first}", "--model.branch_3d.freeze=true", "--trainer.limit_val_batches=0"]
    assert main(words("fit", FINETUNE, tmp_path / "run", *more)) == 0
    one, two = (torch.load(p, weights_only=True) for p in (first, tmp_path / "run" / "checkpoints" / "last.ckpt"))
    shared = [name for name in one["state_dict"] if name.startswith("network.")]
    assert len(shared) > 20
    assert all(torch.equal(one["state_dict"][name], two["state_dict"][name]) for name in shared)


class Killed(Exception):
    """As if the process had ended."""


def test_a_killed_fit_is_taken_up_to_the_same_weights(words, tmp_path, monkeypatch):
    """Everything that is random is there: augmentation, batches, frames, the frames that 3D losses look at."""
    more = [
        "--trainer.max_epochs=3", "--trainer.limit_val_batches=0",
        "--model.pretrained=null", "--model.branch_3d.frames=2",
        "--model.augmentation={flip: 0.5, rotate: 10, scale: 0.1, shift: 2, erase: 0.5, coarse: 0.5}",
    ]  # fmt: skip
    assert main(words("fit", FINETUNE, tmp_path / "straight", *more)) == 0
    step, steps = RecogniseStage.training_step, []

    def watched(self, batch, batch_idx):
        steps.append((self.current_epoch, batch_idx))
        return step(self, batch, batch_idx)

    def dies(self, batch, batch_idx):
        if self.current_epoch == 2 and batch_idx == 1:
            raise Killed
        return step(self, batch, batch_idx)

    monkeypatch.setattr(RecogniseStage, "training_step", dies)
    resumable = words("fit", FINETUNE, tmp_path / "resumed", *more, "--ckpt_path=last")
    with pytest.raises(Killed):
        main(resumable)
    assert {path.name for path in (tmp_path / "resumed").glob("*/*")} == {"last.ckpt", "previous.ckpt"}
    assert torch.load(tmp_path / "resumed" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 4
    assert not (tmp_path / "resumed" / "metrics.json").exists()
    monkeypatch.setattr(RecogniseStage, "training_step", watched)
    assert main(resumable) == 0
    assert steps == [(2, 0), (2, 1)]  # it did go on, and did not begin anew
    paths = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("straight", "resumed")]
    one, two = (torch.load(path, weights_only=True) for path in paths)
    assert one["global_step"] == two["global_step"] == 6
    different = [
        name for name, value in one["state_dict"].items() if not torch.equal(value, two["state_dict"][name])
    ]
    assert different == []
    states = [c["optimizer_states"][0]["state"] for c in (one, two)]
    assert all(torch.equal(states[0][i]["exp_avg"], states[1][i]["exp_avg"]) for i in states[0])
    assert one["lr_schedulers"][0]["last_epoch"] == two["lr_schedulers"][0]["last_epoch"] == 6


def test_repeating_the_command_of_a_whole_run_changes_nothing(fit, words):
    folder = fit(FLAT)
    before = (folder / "metrics.json").read_text()
    assert main(words("fit", FLAT, folder, "--ckpt_path=last")) == 0
    assert (folder / "metrics.json").read_text() == before


def test_a_fit_that_was_killed_before_its_figures_finds_them(fit, words, tmp_path):
    for name in (PRETRAIN, FLAT):
        folder = tmp_path / Path(name).stem
        shutil.copytree(fit(name), folder)
        (folder / "metrics.json").unlink()
        assert main(words("fit", name, folder, "--ckpt_path", "last")) == 0
        found, known = metrics(folder), metrics(fit(name))
        assert found["step"] == known["step"] and found["stage"] == known["stage"]
        for key in known["figures"].keys() & {"val/mpjpe", "val/rank1_nm", "val/mean_ap_nm"}:
            assert found["figures"][key] == known["figures"][key]


def test_testing_the_checkpoint_gives_the_figures_of_the_fit(fit, words):
    folder = fit(FLAT)
    assert main(words("test", FLAT, folder, f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}")) == 0
    tested, fitted = metrics(folder, "metrics-walkers.json")["figures"], metrics(folder)["figures"]
    assert tested["val/rank1"] == pytest.approx(fitted["val/rank1"], abs=1e-3)
    assert tested["gei/rank1_nm"] == fitted["gei/rank1_nm"]


def test_runs_come_together_in_one_table(fit, capsys):
    assert main(["compare", *(str(fit(name)) for name in (PRETRAIN, FINETUNE, FLAT))]) == 0
    text = capsys.readouterr().out
    for words_ in ("MPJPE", "GEI baseline", "Mesh-Gait (walkers)", "2D only (walkers-2d)"):
        assert words_ in text


def history(path):
    """Rows logged to an offline W&B file: LevelDB's log format of protocol buffers, behind 7 bytes of header."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole, rows = path.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        room = 32768 - at % 32768
        if room < 7:  # the rest of a block that holds no header of a chunk is padding
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a full record, or the last part of one
            record, whole = Record.FromString(whole), b""
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                rows.append({"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items})
    return rows


def test_wandb_is_written_offline_by_default_and_can_be_read_back(words, tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    command = [word for word in words("fit", FLAT, tmp_path / "run") if not word.startswith("--wandb")]
    try:
        assert main([*command, "--trainer.log_every_n_steps=1"]) == 0
    finally:
        wandb.finish()
        wandb.teardown()
    (path,) = (tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb")
    rows = history(path)
    (validation,) = [row for row in rows if "val/rank1" in row]
    assert validation["val/rank1"] == pytest.approx(metrics(tmp_path / "run")["figures"]["val/rank1"], abs=1e-3)
    assert validation["gei/rank1"] > 0
    steps = [row["trainer/global_step"] for row in rows if "train/triplet" in row]
    assert steps == [0, 1]


def test_embeddings_of_a_store_are_predicted_to_a_file(fit, words, stores):
    folder = fit(FLAT)
    path = folder / "checkpoints" / "last.ckpt"
    assert main(words("predict", FLAT, folder, f"--ckpt_path={path}")) == 0
    store, stage = Store(stores["walkers"]), RecogniseStage.load(path)
    with np.load(folder / "embeddings.npz", allow_pickle=False) as content:
        assert content["labels"].tolist() == [walk.subject for walk in store.sequences]
        assert content["views"].tolist() == [walk.view for walk in store.sequences]
        for index in (0, 37, 79):
            walk = torch.from_numpy(store.silhouettes(index))[None].float() / 255
            with torch.no_grad():
                expected = stage(walk, torch.ones(1, 6, dtype=torch.bool)).embeddings[0].numpy()
            np.testing.assert_allclose(content["embeddings"][index], expected.T, atol=1e-4)
    # one command's file is the next one's input, and the training subjects of the store are not scored
    out = folder / "scores.json"
    assert main(["evaluate", str(folder / "embeddings.npz"), "--protocol", "walkers", "--json", str(out)]) == 0
    figures = metrics(folder)["figures"]
    for condition, rate in json.loads(out.read_text())["rank1"].items():
        assert rate == pytest.approx(figures[f"val/rank1_{condition}"], abs=0.01)


def test_a_fit_anew_replaces_the_checkpoint(fit, words, tmp_path):
    """A second one beside it would leave stage 2 on the first, unnoticed."""
    command = words("fit", FLAT, tmp_path, "--trainer.limit_val_batches=0", steps=1)
    assert main(command) == 0
    assert main([*command, "--data.batches=2"]) == 0
    (path,) = (tmp_path / "checkpoints").iterdir()  # nor is the other fit's the one before
    assert torch.load(path, weights_only=True)["global_step"] == 2
