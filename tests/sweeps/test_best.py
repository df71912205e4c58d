from pathlib import Path

import pytest

from meshgait.errors import ConfigError, DataError
from meshgait.sweeps.best import best_experiments, parse, put, read_experiment
from meshgait.sweeps.command import Command, StageConfig


@pytest.fixture
def base(tmp_path):
    (tmp_path / "size.yaml").write_text("embedding: 8")
    path = tmp_path / "deep" / "base.yaml"
    path.parent.mkdir()
    path.write_text(
        "trainer: {default_root_dir: runs/x, max_epochs: 8}\n"
        "model: {class_path: M, init_args: {size: ../size.yaml, optimizer: {lr: 1.0e-3}}}\n"
    )
    return path


def test_the_best_experiment_is_the_base_with_the_trials_settings(base):
    command = Command((StageConfig("", base),), ("--trainer.max_epochs", "2"))
    words = [
        "--model.optimizer.lr=3e-05", "--model.augmentation.flip=0.5", "--data.batches=4",
        "--model.network.use_3d=False",
    ]  # fmt: skip
    assert best_experiments(command, words, Path("runs/s-best")) == {
        "best.yaml": {
            "trainer": {"default_root_dir": "runs/s-best", "max_epochs": 2},
            "model": {
                "class_path": "M",
                "init_args": {
                    "size": {"embedding": 8}, "optimizer": {"lr": 3e-05}, "augmentation": {"flip": 0.5},
                    "network": {"use_3d": False},
                },
            },
            "data": {"init_args": {"batches": 4}},
        }
    }  # fmt: skip


def test_stages_in_a_row_have_an_experiment_each(base):
    command = Command((StageConfig("a", base), StageConfig("b", base)))
    found = best_experiments(command, ["--a.model.optimizer.lr=1", "--b.model.optimizer.lr=2"], Path("best"))
    assert list(found) == ["best-a.yaml", "best-b.yaml"]
    assert found["best-a.yaml"]["trainer"]["default_root_dir"] == "best/a"
    assert "pretrained" not in found["best-a.yaml"]["model"]["init_args"]
    second = found["best-b.yaml"]["model"]["init_args"]
    assert (second["pretrained"], second["optimizer"]["lr"]) == ("best/a/checkpoints/last.ckpt", 2)


def test_a_size_file_of_a_trial_is_put_in(base, tmp_path):
    (tmp_path / "other.yaml").write_text("embedding: 16")
    command = Command((StageConfig("", base),))
    found = best_experiments(command, [f"--model.size={tmp_path / 'other.yaml'}"], Path("best"))
    assert found["best.yaml"]["model"]["init_args"]["size"] == {"embedding": 16}


def test_values_are_read_as_on_the_command_line():
    words = ("1", "-2", "1e-3", "0.5", "True", "a word", "[1, 2]", "null")
    assert [parse(word) for word in words] == [1, -2, 1e-3, 0.5, True, "a word", [1, 2], None]


def test_nothing_is_set_below_a_value():
    with pytest.raises(ConfigError, match="size is file"):
        put({"model": {"init_args": {"size": "file"}}}, "model.size.embedding", 8)


def test_an_experiment_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="absent"):
        read_experiment(tmp_path / "absent.yaml")
