import json
import re
import subprocess
import sys
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
import yaml
from einops import rearrange

import meshgait
from meshgait.cli import main
from meshgait.data.store import Store
from meshgait.evaluation.distances import pairwise
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from meshgait.tools.export import recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FIGURES = {
    "val/rank1": 82.04, "val/rank1_nm": 92.2, "val/rank1_bg": 71.9, "val/rank5_nm": 99.0, "gei/rank1_nm": 40.5,
    "val/mpjpe": 33.25, "train/loss": 1.5,
}  # fmt: skip
METRICS = {
    "figures": FIGURES, "stage": "RecogniseStage", "uses_3d": True, "protocol": "walkers", "devices": 1, "seed": 3,
    "data": {"path": "/home/alice/walks", "hash": "fedcba987"}, "machine": "a machine, 2 cores", "step": 400,
    "seconds": 60.5, "errors": {"nm": "alice and bob"}, "precision": "32-true", "version": "0.1.0", "git": None,
}  # fmt: skip
CONFIG = {
    "model": {"class_path": "x", "init_args": {"lr": 0.002, "pretrained": "/home/alice/first", "size": {}}},
    "data": {
        "class_path": "x",
        "init_args": {"store": "/home/alice/walks", "partition": "alice.json", "frames": 8},
    },
    "trainer": {"default_root_dir": "/home/alice/runs"},
}


def save(stage, run, step=400):
    checkpoint = {
        "state_dict": stage.state_dict(), "global_step": step, "pytorch-lightning_version": lightning.__version__,
        "callbacks": {"ModelCheckpoint": {"dirpath": "/home/alice/runs"}},
    }  # fmt: skip
    stage.on_save_checkpoint(checkpoint)
    (run / "checkpoints").mkdir(parents=True)
    torch.save(checkpoint, run / "checkpoints" / "last.ckpt")
    return run / "checkpoints" / "last.ckpt"


@pytest.fixture(scope="module")
def flat(tmp_path_factory, tiny_size):
    """Checkpoint of a finished run without 3D."""
    run = tmp_path_factory.mktemp("runs") / "flat"
    torch.manual_seed(2)
    path = save(RecogniseStage(tiny_size, 5, network=NetworkConfig(use_3d=False)), run)
    (run / "metrics.json").write_text(json.dumps(METRICS))
    (run / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return path


def run(*words):
    return main(["export", *map(str, words)])


def read(folder):
    return yaml.safe_load((folder / "model.yaml").read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory, flat):
    """One export with ONNX."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    out = tmp_path_factory.mktemp("out") / "model"
    assert run(flat, "--out", out, "--onnx") == 0
    return out


def test_the_page_on_export_runs_without_pytorch(done, flat, tiny_store, tmp_path):
    """The example of docs/export.md, in a folder that holds what it names; and its distance is ours."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    store = Store(tiny_store)
    walks = [store.silhouettes(0), store.silhouettes(7)[:4]]
    for name, walk in zip(("first", "second"), walks, strict=True):
        np.save(tmp_path / f"{name}.npy", walk)
    (tmp_path / "model").symlink_to(done)
    code = f"import sys\nsys.modules['torch'] = sys.modules['meshgait'] = None\n{code}"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    stage = RecogniseStage.load(flat)
    with torch.no_grad():
        one, two = (
            stage(rearrange(torch.from_numpy(w).float() / 255, "t h w -> 1 t h w"), torch.ones(1, len(w)) > 0)
            for w in walks
        )
    expected = pairwise(one.embeddings, two.embeddings).item()
    assert expected > 1e-3
    assert float(ran.stdout.removeprefix("distance")) == pytest.approx(expected, rel=1e-3)


def test_the_folder_holds_four_files_that_belong_together(done):
    from hashlib import sha256

    assert {path.name for path in done.iterdir()} == {"model.safetensors", "model.yaml", "model.onnx", "README.md"}
    assert [path.name for path in done.parent.iterdir()] == ["model"]
    content = read(done)
    assert content["onnx"]["sha256"] == sha256((done / "model.onnx").read_bytes()).hexdigest()
    assert content["weights"]["sha256"].encode() in (done / "model.onnx").read_bytes()


def test_it_tells_where_the_weights_come_from_and_nothing_private(done):
    content = read(done)
    training = content["training"]
    assert training["figures"] == {n: v for n, v in FIGURES.items() if n != "train/loss"}
    assert (training["data"], training["protocol"], training["seed"]) == ("fedcba987", "walkers", 3)
    assert (training["step"], training["subjects"]) == (400, 5)
    assert training["recipe"] == {"model": {"lr": 0.002}, "data": {"frames": 8}}
    for path in done.iterdir():
        assert b"alice" not in path.read_bytes()


def test_the_card_says_what_it_must(done):
    card = (done / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["license_name"] == "FILL-IN" and front["library_name"] == "meshgait"
    for words in ("## Intended use", "## Biometric data", "GDPR", "## Out of scope", "## Licence", "Fill in"):
        assert words in card
    assert "| nm | 92.2 | 99.0 | - | - | 40.5 |" in card and "| bg | 71.9 | - | - | - | - |" in card
    assert "MPJPE 33.2" in card or "MPJPE 33.3" in card
    assert "fedcba987" in card and "is left out" in card and "model.onnx" in card
    assert f"16 vectors of {RecogniseStage.load(done).network.size.embedding} numbers" in card


@pytest.fixture
def quick(flat, tmp_path):
    """Export without ONNX; the words that were printed are left to the test."""
    return lambda *words: run(flat, "--out", tmp_path / "m", *words)


def test_the_classifier_comes_along_only_if_asked_for_and_the_card_warns(quick, tmp_path):
    assert quick("--with-classifier") == 0
    card = (tmp_path / "m" / "README.md").read_text()
    assert "one vector for each of the 5 people" in card and "is left out" not in card
    assert "model.onnx" not in card
    assert RecogniseStage.load(tmp_path / "m").network.classify.weight.shape[-1] == 5


def test_it_embeds_like_the_checkpoint(quick, flat, tmp_path, tiny_store):
    assert quick() == 0
    np.save(tmp_path / "walk.npy", Store(tiny_store).silhouettes(3))
    for name, model in (("a", flat), ("b", tmp_path / "m")):
        words = (tmp_path / "walk.npy", "--checkpoint", model, "--out", tmp_path / f"{name}.npz")
        assert main(["embed", *map(str, words)]) == 0
    with np.load(tmp_path / "a.npz") as one, np.load(tmp_path / "b.npz") as two:
        assert np.array_equal(one["embeddings"], two["embeddings"])


def test_stage_1_is_exported_for_stage_2_and_without_onnx(tmp_path, tiny_size, capsys):
    path = save(ReconstructStage(tiny_size), tmp_path / "first")
    assert run(path, "--out", tmp_path / "m", "--onnx") == 2
    assert "gives no embeddings" in capsys.readouterr().err
    assert run(path, "--out", tmp_path / "m") == 0
    out = capsys.readouterr().out
    assert "no figures" in out and "no recipe" in out
    card = (tmp_path / "m" / "README.md").read_text()
    assert "--model.pretrained" in card and "None are known" in card and "classifier" not in card
    assert RecogniseStage(tiny_size, 2, pretrained=str(tmp_path / "m")).network.lifter is not None


def test_figures_of_another_step_are_not_claimed(tmp_path, tiny_size, capsys):
    path = save(RecogniseStage(tiny_size, 5, network=NetworkConfig(use_3d=False)), tmp_path / "run", step=200)
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(METRICS))
    assert run(path, "--out", tmp_path / "m") == 0
    assert "are of step 400, the checkpoint of 200" in capsys.readouterr().out
    training = read(tmp_path / "m")["training"]
    assert "figures" not in training and training["step"] == 200
    assert "None are known" in (tmp_path / "m" / "README.md").read_text()
    # a file that is named is taken at its word
    assert run(path, "--out", tmp_path / "n", "--metrics", tmp_path / "run" / "metrics.json") == 0
    assert read(tmp_path / "n")["training"]["figures"]["val/rank1_nm"] == 92.2


def test_only_an_earlier_export_is_replaced(quick, tmp_path, capsys):
    assert quick() == 0
    assert quick() == 2
    assert "--overwrite" in capsys.readouterr().err
    (tmp_path / "m" / "stale").touch()
    assert quick("--overwrite") == 0
    assert not (tmp_path / "m" / "stale").exists()
    (tmp_path / "m" / "model.yaml").unlink()
    assert quick("--overwrite") == 2
    assert "not an earlier export" in capsys.readouterr().err
    assert (tmp_path / "m" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [("config.yaml", "a: [", "holds no settings"), ("config.yaml", "a: 1", "holds no settings"),
     ("metrics.json", "{}", "holds no metrics")],
)  # fmt: skip
def test_a_damaged_run_is_refused_and_nothing_is_left(name, text, says, tmp_path, tiny_size, capsys):
    path = save(RecogniseStage(tiny_size, 5, network=NetworkConfig(use_3d=False)), tmp_path / "run")
    (tmp_path / "run" / name).write_text(text)
    before = sorted(tmp_path.rglob("*"))
    assert run(path, "--out", tmp_path / "m") == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_diverged_weights_leave_nothing(tmp_path, tiny_size, capsys):
    stage = RecogniseStage(tiny_size, 5, network=NetworkConfig(use_3d=False))
    with torch.no_grad():
        stage.network.embed.weight.fill_(float("inf"))
    assert run(save(stage, tmp_path / "run"), "--out", tmp_path / "m") == 2
    assert "not finite" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_onnx_that_is_not_installed_is_said_before_anything_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert run(tmp_path / "gone.ckpt", "--out", tmp_path / "m", "--onnx") == 2
    assert "meshgait[onnx]" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(quick, tmp_path):
    assert quick() == 0
    assert read(tmp_path / "m")["version"] == meshgait.__version__


def test_paths_deep_in_settings_stay_here(tmp_path):
    """Names of folders tell who somebody is; settings of parts lie below those of the whole."""
    deep = {"seed": 3, "part": {"init_args": {"file": "/home/me/x"}}, "files": ["a", "~/x"], "by": {"/home/me": 1}}
    content = {part: {"init_args": {**deep, "kept": {"rate": 1, "kind": "plain"}}} for part in ("model", "data")}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    kept = {"seed": 3, "kept": {"rate": 1, "kind": "plain"}}
    assert recipe(tmp_path / "config.yaml") == {"model": kept, "data": kept}
