"""A run folder from the inside: what `meshgait fit` leaves there, with the real wandb package offline."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from meshgait.callbacks.checkpoints import last_path, previous_path
from meshgait.cli import main
from meshgait.evaluation.record import EvaluationRecord
from meshgait.evaluation.scoring import evaluate
from meshgait.stages.checkpoint import read_checkpoint
from meshgait.stages.recognise import RecogniseStage
from tests.wandb_file import offline_runs

CONFIG = Path(__file__).parents[1] / "experiments" / "finetune" / "walkers.yaml"
KINDS = ("cmc", "confusions", "embeddings", "heatmaps", "views", "walk")


@pytest.fixture(scope="module")
def words(tiny_store, tiny_size, tmp_path_factory):
    size = tmp_path_factory.mktemp("size") / "tiny.yaml"
    size.write_text(json.dumps(asdict(tiny_size)))

    def command(folder, *more):
        small = {
            "config": CONFIG, "trainer.default_root_dir": folder, "trainer.max_epochs": 1,
            "trainer.check_val_every_n_epoch": 1, "trainer.accelerator": "cpu", "trainer.log_every_n_steps": 1,
            "model.size": size, "model.pretrained": "null", "data.store": tiny_store, "data.batches": 2,
            "data.subjects": 2, "data.sequences": 2, "data.frames": 3, "ckpt_path": "last",
        }  # fmt: skip
        return ["fit", *(f"--{key}={value}" for key, value in small.items()), *more]

    return command


@pytest.fixture(scope="module")
def first(words, tmp_path_factory):
    """A run after its first epoch."""
    folder = tmp_path_factory.mktemp("runs") / "walk"
    assert main(words(folder)) == 0
    return folder


@pytest.fixture(scope="module")
def resumed(words, first, tmp_path_factory):
    """The same run, taken up after it was killed in its second epoch, for two epochs in all."""
    folder = tmp_path_factory.mktemp("resumed") / "walk"
    shutil.copytree(first, folder, symlinks=True)
    with (folder / "history.jsonl").open("a") as file:
        file.write('{"step": 2, "train/loss": 99.0}\n{"step": 3, "tr')
    assert main(words(folder, "--trainer.max_epochs=2")) == 0
    return folder


def history(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_the_run_is_stamped_with_what_it_is_of(first, store):
    (run,) = offline_runs(first)
    metrics = json.loads((first / "metrics.json").read_text())
    stamp = run.config["run"]
    assert stamp["protocol"] == "walkers"
    assert stamp["data"]["hash"] == store.hash
    assert stamp["git"] == metrics["git"]
    assert {name: metrics[name] for name in stamp} == stamp
    assert run.run.display_name == "walk" and run.run.project == "mesh-gait"


def test_the_whole_resolved_configuration_is_in_it(first):
    (run,) = offline_runs(first)
    saved = yaml.safe_load((first / "config.yaml").read_text())
    assert {name: run.config[name] for name in saved} == saved
    assert run.config["model"]["init_args"]["identity"]["margin"] == 0.2  # a default that nobody gave
    assert run.config["data"]["init_args"]["batches"] == 2


def test_the_commit_is_that_of_the_code(first):
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CONFIG.parent, capture_output=True, text=True)
    if commit.returncode:
        pytest.skip("not a checkout")
    assert json.loads((first / "metrics.json").read_text())["git"].removesuffix("-dirty") == commit.stdout[:12]


def test_figures_are_drawn_over_the_trainers_step(first):
    (run,) = offline_runs(first)
    axes = {metric.glob_name or metric.name: metric.step_metric for metric in run.of("metric")}
    assert axes["*"] == "trainer/global_step"
    losses = {row["trainer/global_step"]: row["train/loss"] for row in run.rows if "train/loss" in row}
    lines = {line["step"]: line["train/loss"] for line in history(first) if "train/loss" in line}
    assert losses.keys() == lines.keys() == {0, 1}
    assert list(losses.values()) == pytest.approx(list(lines.values()), rel=1e-5)
    assert all("trainer/global_step" in row for row in run.rows)
    assert any("val/rank1" in row for row in run.rows)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_picture_lies_in_the_folder_and_in_wandb(first, kind):
    suffix = "gif" if kind == "walk" else "png"
    path = first / "pictures" / f"{kind}-000002.{suffix}"
    with Image.open(path) as picture:
        assert min(picture.size) > 50
    (run,) = offline_runs(first)
    key = f"pictures/{kind}/{'videos' if kind == 'walk' else 'filenames'}"
    ((name,),) = [row[key] for row in run.rows if key in row]
    name = name["path"] if kind == "walk" else name
    assert (run.folder / "files" / name).read_bytes() == path.read_bytes()


def test_the_table_of_confusions_has_its_silhouettes_in_the_run_folder(first):
    (run,) = offline_runs(first)
    confusions = json.loads((first / "pictures" / "confusions-000002.json").read_text())
    (artifact,) = [artifact for artifact in run.of("artifact") if artifact.type == "run_table"]
    files = {entry.path: Path(entry.local_path) for entry in artifact.manifest.contents}
    assert all(path.is_relative_to(first) and path.is_file() for path in files.values())
    (table,) = [path for name, path in files.items() if name.endswith(".table.json")]
    content = json.loads(table.read_text())
    column = content["columns"].index("person")
    assert [row[column] for row in content["data"]] == [confusion["person"] for confusion in confusions]
    shown = [cell["path"] for row in content["data"] for cell in row[-3:]]
    assert set(shown) <= set(files) and len(shown) == 3 * len(confusions) > 0


def test_the_evaluation_can_be_scored_again(first):
    record = EvaluationRecord.read(first / "evaluation.npz")
    figures = json.loads((first / "metrics.json").read_text())["figures"]
    scores = evaluate(torch.from_numpy(record.embeddings).float(), record.task(), record.distance)
    assert set(scores) == set(record.probes) == {"nm", "bg", "cl"}
    # half precision may swap neighbours that are as good as equally near
    assert scores["nm"].mean_ap == pytest.approx(figures["val/mean_ap_nm"], abs=3)


def test_a_resumed_training_continues_its_run(first, resumed):
    one, two = offline_runs(resumed)
    assert (
        one.run.run_id
        == two.run.run_id
        == read_checkpoint(resumed / "checkpoints" / "last.ckpt").content["wandb_id"]
    )
    assert two.run.resumed or one.run.run_id in two.path.name
    assert max(row["trainer/global_step"] for row in two.rows) == 4
    assert min(row["trainer/global_step"] for row in two.rows) == 2


def test_a_resumed_history_has_nothing_twice(first, resumed):
    assert history(resumed)[: len(history(first))] == history(first)
    steps = [line["step"] for line in history(resumed) if "train/loss" in line]
    assert steps == [0, 1, 2, 3]
    assert sum("val/rank1" in line for line in history(resumed)) == 2
    assert not any(line.get("train/loss") == 99 for line in history(resumed))


def test_pictures_of_both_validations_are_there(resumed):
    names = {path.name for path in (resumed / "pictures").glob("*.png")}
    assert names == {f"{kind}-{step:06d}.png" for kind in KINDS if kind != "walk" for step in (2, 4)}


def test_beginning_anew_begins_a_new_run_and_a_new_history(words, first, tmp_path):
    folder = tmp_path / "walk"
    shutil.copytree(first, folder, symlinks=True)
    assert main([*words(folder, "--pictures=0"), "--ckpt_path=null"]) == 0
    one, two = offline_runs(folder)
    assert one.run.run_id != two.run.run_id
    assert [line["step"] for line in history(folder) if "train/loss" in line] == [0, 1]


def test_disabled_does_not_import_wandb_and_the_folder_is_complete(words, tmp_path):
    code = (
        "import sys; from meshgait.cli import main; status = main(sys.argv[1:]); "
        "sys.exit(status or 'wandb' in sys.modules)"
    )
    folder = tmp_path / "run"
    command = words(folder, "--wandb=disabled", "--pictures=0", "--data.batches=1")
    assert subprocess.run([sys.executable, "-c", code, *command]).returncode == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"checkpoints", "config.yaml", "evaluation.npz", "history.jsonl", "metrics.json"}
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt").content["wandb_id"]


@pytest.mark.parametrize("wandb", ["offline", "disabled"])
def test_a_trial_step_leaves_nothing(words, tmp_path, wandb):
    assert main(words(tmp_path / "run", f"--wandb={wandb}", "--trainer.fast_dev_run=1")) == 0
    assert [path for path in (tmp_path / "run").rglob("*") if path.is_file()] == []


def test_what_cannot_be_written_is_said_once_and_training_goes_on(words, tmp_path, capsys):
    folder = tmp_path / "run"
    for name in ("evaluation.npz.partial", "history.jsonl", "mesh.npz.partial"):
        (folder / name).mkdir(parents=True)
    (folder / "pictures").touch()
    assert main(words(folder, "--wandb=disabled")) == 0
    errors = capsys.readouterr().err
    assert errors.count("meshgait: warning: ") == 1
    assert f"{folder} cannot be written" in errors and "training goes on" in errors
    assert (folder / "metrics.json").is_file() and (folder / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.parametrize("blocked", ["checkpoints", "metrics.json.partial", "config.yaml.partial"])
def test_what_must_be_written_stops_with_clear_words(words, tmp_path, capsys, blocked):
    folder = tmp_path / "run"
    folder.mkdir()
    if blocked == "checkpoints":
        (folder / blocked).touch()
    else:
        (folder / blocked).mkdir()
    assert main(words(folder, "--wandb=disabled", "--pictures=0", "--data.batches=1")) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("meshgait: ")]
    assert blocked.split(".")[0] in line and "cannot be written" in line and "repeat the command" in line
    assert not (folder / "metrics.json").exists()


def test_wandb_that_cannot_be_reached_is_logged_offline(words, tmp_path):
    """A process of its own: wandb reads its settings once."""
    code = (
        "import sys; from meshgait.callbacks import tracking; tracking.PATIENCE = {'init_timeout': 0.5}; "
        "from meshgait.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")} | {
        "HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc"), "WANDB_BASE_URL": "http://127.0.0.1:9",
        "WANDB_API_KEY": 40 * "0",
    }  # fmt: skip
    folder = tmp_path / "run"
    command = words(folder, "--wandb=online", "--pictures=0", "--data.batches=1")
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "meshgait: warning: W&B cannot be used online" in done.stderr
    (run,) = offline_runs(folder)
    assert any("train/loss" in row for row in run.rows) and "model" in run.config


def spoil(path, kind):
    """Damage a file as a disk or a cut-off copy would."""
    content = bytearray(path.read_bytes())
    if kind == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(content[: len(content) // 2] if kind == "truncated" else content)


@pytest.fixture(scope="module")
def with_previous(words, tmp_path_factory):
    """A run of three steps with a checkpoint at each."""
    folder = tmp_path_factory.mktemp("steps") / "walk"
    more = ("--wandb=disabled", "--pictures=0", "--checkpoint_every=1", "--data.batches=3")
    assert main(words(folder, *more)) == 0
    return folder


@pytest.mark.parametrize("kind", ["truncated", "flipped", "missing"])
def test_a_damaged_checkpoint_is_found_out_and_the_one_before_used(words, with_previous, tmp_path, capsys, kind):
    folder = tmp_path / "walk"
    shutil.copytree(with_previous, folder)
    last, previous = last_path(folder), previous_path(folder)
    assert last.read_bytes() != previous.read_bytes()
    spoil(last, kind) if kind != "missing" else last.unlink()
    more = ("--wandb=disabled", "--pictures=0", "--checkpoint_every=1", "--data.batches=3")
    assert main(words(folder, *more, "--trainer.max_epochs=2")) == 0
    error = capsys.readouterr().err
    assert error.count("meshgait: warning: ") == 1 and "last.ckpt" in error and f"goes on from {previous}" in error
    assert read_checkpoint(last).step == 6
    assert [line["step"] for line in history(folder) if "train/loss" in line] == list(range(6))


def test_without_a_good_checkpoint_it_is_said(words, with_previous, tmp_path, capsys):
    folder = tmp_path / "walk"
    shutil.copytree(with_previous, folder)
    spoil(last_path(folder), "flipped")
    spoil(previous_path(folder), "truncated")
    assert main(words(folder, "--wandb=disabled")) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "previous.ckpt cannot be read as a checkpoint" in error
    assert last_path(folder).exists()


def test_told_to_stop_it_ends_with_status_143(words, tmp_path, capsys, monkeypatch):
    told = lambda *_: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731
    monkeypatch.setattr(RecogniseStage, "on_train_batch_end", told, raising=False)
    folder = tmp_path / "run"
    assert main(words(folder, "--wandb=disabled", "--pictures=0")) == 143
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("meshgait: the training was stopped by SIGTERM; its 1 steps are in ")
    assert read_checkpoint(last_path(folder)).step == 1 and not (folder / "metrics.json").exists()
    monkeypatch.undo()
    assert main(words(folder, "--wandb=disabled", "--pictures=0")) == 0
    assert [line["step"] for line in history(folder) if "train/loss" in line] == [0, 1]


def test_numbers_that_are_not_finite_end_it_with_status_2(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("meshgait.stages.recognise.triplet_loss", lambda *_: torch.tensor(float("nan")))
    assert main(words(tmp_path / "run", "--wandb=disabled", "--pictures=0")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "triplet is nan" in line and "epoch 0, batch 0 (step 0), of sequences 00" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_stops_it_whole_and_it_goes_on_with_space(words, with_previous, tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    size = 3 * last_path(with_previous).stat().st_size + 2**17
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        folder = disk / "walk"
        shutil.copytree(with_previous, folder)
        free = shutil.disk_usage(disk).free
        (disk / "filler").write_bytes(bytes(free - last_path(folder).stat().st_size // 2))
        command = words(folder, "--wandb=disabled", "--pictures=0", "--data.batches=3", "--trainer.max_epochs=2")
        assert main(command) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert "last.ckpt cannot be written (No space left on device); free space" in error
        assert read_checkpoint(last_path(folder)).step == 3
        assert [path.name for path in folder.rglob("*.partial")] == []
        (disk / "filler").unlink()
        assert main(command) == 0
        assert [line["step"] for line in history(folder) if "train/loss" in line] == list(range(6))
    finally:
        subprocess.run(["umount", disk], check=True)
