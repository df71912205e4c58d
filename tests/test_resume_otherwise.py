"""A training that goes on with other settings does what they say, and says what changed."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from meshgait.callbacks.settings import flat
from meshgait.cli import main

BEFORE = Path(__file__).parent / "files" / "settings-without-groups.ckpt"
"""Of version 0.1.0 before settings were in groups: 3 steps as those of `finished`."""

CONFIG = Path(__file__).parents[1] / "experiments" / "finetune" / "walkers.yaml"


@pytest.fixture(scope="module")
def words(tiny_store, tiny_size, tmp_path_factory):
    size = tmp_path_factory.mktemp("size") / "tiny.yaml"
    size.write_text(json.dumps(asdict(tiny_size)))

    def command(folder, **more):
        small = {
            "config": CONFIG, "trainer.default_root_dir": folder, "trainer.max_epochs": 1, "wandb": "disabled",
            "trainer.check_val_every_n_epoch": 9, "trainer.accelerator": "cpu", "trainer.log_every_n_steps": 1,
            "model.size": size, "model.pretrained": "null", "model.network.use_3d": "false",
            "data.store": tiny_store, "data.batches": 3, "data.subjects": 2, "data.sequences": 2, "data.frames": 2,
            "ckpt_path": "last", "pictures": 0,
        }  # fmt: skip
        return ["fit", *(f"--{key}={value}" for key, value in (small | more).items())]

    return command


@pytest.fixture(scope="module")
def finished(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "walk"
    assert main(words(folder)) == 0
    return folder


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "walk")


def rates(folder):
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return {line["step"]: value for line in lines for name, value in line.items() if name.startswith("lr-")}


def settings(folder):
    return flat(yaml.safe_load((folder / "config.yaml").read_text()))


def test_more_epochs_and_another_rate_are_what_was_asked_for(words, run, capsys):
    assert main(words(run, **{"trainer.max_epochs": 2, "model.optimizer.lr": 0.05})) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("meshgait: note: ") and "model.optimizer.lr 0.05 (was 0.002)" in line
    assert "at step 3 of 6" in line
    later = [rate for step, rate in rates(run).items() if step >= 3]
    assert later == pytest.approx([0.05 * factor for factor in (0.6545, 0.3455, 0.0955)], rel=1e-3)
    assert settings(run)["model.optimizer.lr"] == 0.05


def test_shorter_epochs_end_with_the_schedule_too(words, run):
    assert main(words(run, **{"trainer.max_epochs": 2, "data.batches": 2})) == 0
    later = [rate for step, rate in rates(run).items() if step >= 3]
    assert len(later) == 2 and min(later) > 1e-5


def test_what_is_done_is_not_described_otherwise(words, run, capsys):
    before = settings(run)
    assert main(words(run, **{"model.optimizer.lr": 0.05})) == 0
    assert settings(run) == before


def test_what_only_the_checkpoint_tells_is_kept_and_said(words, run, capsys):
    assert main(words(run, **{"trainer.max_epochs": 2, "seed_everything": 5})) == 0
    assert "random numbers (not seed_everything 5) are kept" in capsys.readouterr().err
    assert settings(run)["seed_everything"] == 0


def test_another_optimiser_and_another_decay_are_used(words, run):
    other = {"model.optimizer.name": "sgd", "model.optimizer.weight_decay": 0.3}
    assert main(words(run, **{"trainer.max_epochs": 2, **other})) == 0
    assert len(rates(run)) == 6


def test_a_class_in_place_of_the_stages_optimiser_cannot_come_later(words, run, capsys):
    more = {"trainer.max_epochs": 2, "optimizer": "torch.optim.SGD", "optimizer.lr": 0.1}
    assert main(words(run, **more)) == 2
    assert "cannot change in a training that goes on" in capsys.readouterr().err


def test_a_class_that_was_there_before_goes_on_as_it_was_and_so_it_is_said(words, tmp_path, capsys):
    own = {"optimizer": "torch.optim.SGD", "optimizer.lr": 0.1}
    assert main(words(tmp_path / "run", **own)) == 0
    capsys.readouterr()
    assert main(words(tmp_path / "run", **own, **{"trainer.max_epochs": 2})) == 0
    assert "optimizer and lr_scheduler go on as the checkpoint has them, at step 3" in capsys.readouterr().err


def test_equal_settings_say_nothing(words, finished, tmp_path, capsys):
    folder = tmp_path / "walk"
    assert main(words(folder, **{"trainer.max_epochs": 2})) == 0
    assert main(words(folder, **{"trainer.max_epochs": 2})) == 0
    assert capsys.readouterr().err == ""


def test_a_run_from_before_the_groups_of_settings_goes_on(words, finished, tmp_path, capsys):
    """To the same rates, and what only has another name is not told as another setting."""
    old, new = (tmp_path / name for name in ("old", "new"))
    (old / "checkpoints").mkdir(parents=True)
    shutil.copy(BEFORE, old / "checkpoints" / "last.ckpt")
    shutil.copytree(finished, new)
    assert main(words(old, **{"trainer.max_epochs": 2})) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "trainer.max_epochs 2 (was 1), data.store" in line and "model." not in line
    assert main(words(new, **{"trainer.max_epochs": 2})) == 0
    expected = {step: rate for step, rate in rates(new).items() if step >= 3}
    assert len(expected) == 3 and rates(old) == expected
    assert settings(old)["model.optimizer.lr"] == 0.002 and "model.lr" not in settings(old)


@pytest.mark.parametrize("limit", ["trainer.limit_val_batches", "trainer.overfit_batches"])
def test_figures_of_a_part_do_not_pass_for_the_protocols(words, tmp_path, capsys, limit):
    more = {limit: 2, "trainer.check_val_every_n_epoch": 1, "data.eval_sequences": 4}
    assert main(words(tmp_path / "run", **more)) == 0
    output = capsys.readouterr()
    assert "there are no recognition rates" in output.err and "validation of 2 of" in output.out
    content = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert not any("rank1" in name for name in content["figures"]) and "cells" not in content
    assert content["partial"]["batches"] == 2 < content["partial"]["of"]
    assert not (tmp_path / "run" / "evaluation.npz").exists()
    assert main(["compare", str(tmp_path / "run")]) == 0
    assert "run, partial" in capsys.readouterr().out


def test_figures_of_the_whole_are_marked_by_nothing(words, tmp_path, capsys):
    assert main(words(tmp_path / "run", **{"trainer.check_val_every_n_epoch": 1, "data.eval_sequences": 4})) == 0
    content = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "val/rank1" in content["figures"] and "partial" not in content
