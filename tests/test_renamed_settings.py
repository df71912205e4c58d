import inspect
from dataclasses import fields, is_dataclass
from typing import get_type_hints

import pytest
import yaml

from meshgait.errors import ConfigError
from meshgait.renamed_settings import MODEL, renamed_setting, renamed_settings, renamed_words, renaming_note
from meshgait.stages.recognise import RecogniseStage

STAGE = "meshgait.stages.recognise.RecogniseStage"


def experiment(settings, class_path=STAGE):
    return {"model": {"class_path": class_path, "init_args": settings}, "data": {"init_args": {"lr": 1}}}


def renamed(settings, **options):
    content, names = renamed_settings(experiment(settings), **options)
    assert content["data"] == {"init_args": {"lr": 1}} and content["model"]["class_path"] == STAGE
    return content["model"]["init_args"], names


@pytest.mark.parametrize("name", MODEL.values())
def test_each_new_name_is_a_setting_of_the_stage(name):
    group, setting = name.split(".")
    kind = get_type_hints(RecogniseStage.__init__)[group]
    assert is_dataclass(kind) and setting in {field.name for field in fields(kind)}


def test_no_old_name_is_an_argument_but_those_that_are_groups_now():
    assert MODEL.keys() & inspect.signature(RecogniseStage).parameters.keys() == {"optimizer", "body"}


def test_old_settings_come_into_their_groups():
    found, names = renamed({"size": {"markers": 8}, "lr": 0.1, "optimizer": "sgd", "body": "b.npz", "seed": 3})
    assert found == {
        "size": {"markers": 8}, "optimizer": {"lr": 0.1, "name": "sgd"}, "body": {"file": "b.npz"}, "seed": 3
    }  # fmt: skip
    assert names == {
        "model.lr": "model.optimizer.lr",
        "model.optimizer": "model.optimizer.name",
        "model.body": "model.body.file",
    }


def test_they_are_put_beside_new_ones():
    found, _ = renamed(
        {"losses": {"edges": 0}, "body": {"decoder": "simplex"}, "warmup": 0, "optimizer": {"lr": 1}}
    )
    assert found == {
        "body": {"decoder": "simplex", "losses": {"edges": 0}}, "optimizer": {"lr": 1, "warmup": 0}
    }  # fmt: skip


def test_a_setting_by_both_names_is_refused():
    with pytest.raises(ConfigError, match=r"model\.lr and model\.optimizer\.lr are one setting"):
        renamed({"lr": 0.1, "optimizer": {"lr": 0.2}})
    with pytest.raises(ConfigError, match=r"model\.losses and model\.body\.losses are one setting"):
        renamed({"losses": {"edges": 0}, "body": {"losses": {"joints": 1}}})
    with pytest.raises(ConfigError, match=r"model\.lr belongs to model\.optimizer, which is fast\.yaml"):
        renamed({"lr": 0.1, "optimizer": "fast.yaml"})


@pytest.mark.parametrize("value", [{"file": "b.npz"}, {}, "body.yaml", "deep/body.json", "{file: b.npz}"], ids=str)
def test_a_group_is_no_old_setting(value):
    assert renamed({"body": value}) == ({"body": value}, {})


@pytest.mark.parametrize("value", [None, "b.npz", "deep/b.pkl"])
def test_the_old_body_was_a_file_or_nothing(value):
    assert renamed({"body": value})[0] == {"body": {"file": value}}


def test_other_classes_keep_their_names():
    content = experiment({"lr": 0.1}, "mine.Stage")
    assert renamed_settings(content) == (content, {})
    overlay = {"model": {"init_args": {"lr": 0.1}}}
    assert renamed_settings(overlay)[0] == {"model": {"init_args": {"optimizer": {"lr": 0.1}}}}
    assert renamed_settings(overlay, overlays=False) == (overlay, {})


@pytest.mark.parametrize(
    "content", [None, 3, "text", [1], {"model": "x"}, {"model": {"init_args": 3}}, {"lr": 1}, {1: 2}], ids=str
)
def test_what_is_no_experiment_is_left_alone(content):
    assert renamed_settings(content) == (content, {})


def test_what_is_given_is_not_changed_itself():
    content = experiment({"lr": 0.1, "optimizer": {"warmup": 0.0}})
    before = yaml.safe_dump(content)
    renamed_settings(content)
    assert yaml.safe_dump(content) == before


@pytest.mark.parametrize(
    ("name", "value", "new"),
    [
        ("model.lr", "0.1", "model.optimizer.lr"),
        ("model.init_args.lr", "0.1", "model.optimizer.lr"),
        ("model.losses.joints", "1", "model.body.losses.joints"),
        ("model.body_augmentation.flip", "1", "model.branch_3d.augmentation.flip"),
        ("model.optimizer", "sgd", "model.optimizer.name"),
        ("model.optimizer.lr", "0.1", "model.optimizer.lr"),
        ("model.optimizer", "fast.yaml", "model.optimizer"),
        ("model.body", "{file: null}", "model.body"),
        ("model.body", "null", "model.body.file"),
        ("model.seed", "1", "model.seed"),
        ("model", STAGE, "model"),
        ("model.init_args", "{}", "model.init_args"),
        ("optimizer.lr", "1", "optimizer.lr"),
        ("data.lr", "1", "data.lr"),
        ("lr", "1", "lr"),
    ],
)
def test_names_of_the_command_line(name, value, new):
    assert renamed_setting(name, value) == new


def test_words_of_the_command_line_with_their_values_beside_or_after():
    words = ["fit", "--config", "lr", "--model.lr", "0.1", "--model.body=b.npz", "--model.optimizer", "sgd", "--x"]
    new = ["fit", "--config", "lr", "--model.optimizer.lr", "0.1"]
    new += ["--model.body.file=b.npz", "--model.optimizer.name", "sgd", "--x"]
    assert renamed_words(words) == (
        new,
        {
            "--model.lr": "--model.optimizer.lr",
            "--model.body": "--model.body.file",
            "--model.optimizer": "--model.optimizer.name",
        },
    )
    assert renamed_words(["--model.seed=1"]) == (["--model.seed=1"], {})


def test_the_note_names_both():
    assert "model.lr is model.optimizer.lr" in renaming_note({"model.lr": "model.optimizer.lr"})
