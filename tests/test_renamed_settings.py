import inspect
from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest
import yaml

from meshgait.errors import ConfigError
from meshgait.renamed_settings import (
    IN_GROUPS,
    METRICS,
    MODEL,
    VALUES,
    renamed_arguments,
    renamed_group,
    renamed_metrics,
    renamed_network,
    renamed_setting,
    renamed_settings,
    renaming_note,
)
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


@pytest.mark.parametrize("old", [*IN_GROUPS, *VALUES])
def test_what_is_renamed_within_groups_is_a_setting_of_them_by_its_new_name(old):
    *groups, last = old.split(".")
    kind = get_type_hints(RecogniseStage.__init__)[groups[0]]
    for group in groups[1:]:
        kind = get_type_hints(kind)[group]
    names = {field.name for field in fields(kind)}
    assert IN_GROUPS.get(old, last) in names and (last in names) == (old in VALUES)
    values = get_args(get_type_hints(kind)[last]) if old in VALUES else ()
    assert set(VALUES.get(old, {}).values()) <= set(values) and not set(VALUES.get(old, {})) & set(values)


def test_names_and_values_within_groups():
    found, names = renamed(
        {"body": {"losses": {"confidence": 0.2, "edges": 0}}, "network": {"fusion": "deep", "use_3d": True}}
    )
    assert found == {
        "body": {"losses": {"marginal_cross_entropy": 0.2, "edges": 0}},
        "network": {"fusion": "3d-only", "use_3d": True},
    }
    assert names == {
        "model.body.losses.confidence": "model.body.losses.marginal_cross_entropy",
        "model.network.fusion deep": "model.network.fusion 3d-only",
    }
    # as it was before there were groups
    assert renamed({"losses": {"confidence": 0.2}, "fusion": "deep"})[0] == {
        "body": {"losses": {"marginal_cross_entropy": 0.2}}, "network": {"fusion": "3d-only"}
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"confidence and marginal_cross_entropy of model\.body\.losses are one"):
        renamed({"body": {"losses": {"confidence": 0.2, "marginal_cross_entropy": 0.2}}})
    for other in ({"body": {}}, {"body": {"losses": "x.yaml"}}, {"network": {"fusion": ["deep"]}}):
        assert renamed(other) == (other, {})


@pytest.mark.parametrize(
    ("content", "new"),
    [
        ({"confidence": 1, "joints": 0}, {"marginal_cross_entropy": 1, "joints": 0}),
        ({"losses": {"confidence": 1}}, {"losses": {"marginal_cross_entropy": 1}}),
        ({"fusion": "deep"}, {"fusion": "3d-only"}),
        ({"network": {"fusion": "deep"}}, {"network": {"fusion": "3d-only"}}),
        ({"fusion": "concat"}, {"fusion": "concat"}),
        ([{"confidence": 1}], [{"confidence": 1}]),
    ],
)
def test_files_of_groups(content, new):
    found, names = renamed_group(content)
    assert found == new and bool(names) == (found != content)


def test_networks_of_checkpoints_and_figures():
    assert renamed_network({"size": {}, "fusion": "deep"}) == {"size": {}, "fusion": "3d-only"}
    assert renamed_network({"fusion": {}}) == {"fusion": {}}
    assert renamed_metrics({"val/loss": 1.0, **dict.fromkeys(METRICS, 2.0)}) == {
        "val/loss": 1.0, **dict.fromkeys(METRICS.values(), 2.0)
    }  # fmt: skip


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
        ("model.body.losses.confidence", "1", "model.body.losses.marginal_cross_entropy"),
        ("model.init_args.body.losses.confidence", "1", "model.body.losses.marginal_cross_entropy"),
        ("model.losses.confidence", "1", "model.body.losses.marginal_cross_entropy"),
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
    assert renamed_arguments(words) == (
        new,
        {
            "--model.lr": "--model.optimizer.lr",
            "--model.body": "--model.body.file",
            "--model.optimizer": "--model.optimizer.name",
        },
    )
    assert renamed_arguments(["--model.seed=1"]) == (["--model.seed=1"], {})


@pytest.mark.parametrize("name", ["--model.network.fusion", "--model.fusion", "--model.init_args.network.fusion"])
def test_values_of_the_command_line(name):
    words, names = renamed_arguments(["fit", name, "deep", "--x"])
    assert words[:1] + words[2:] == ["fit", "3d-only", "--x"]
    assert [new.endswith("network.fusion 3d-only") for new in names.values()] == [True]
    words, names = renamed_arguments([f"{name}=deep", "deep"])
    assert words[0].endswith("fusion=3d-only") and words[1] == "deep" and len(names) == 1
    assert renamed_arguments([name, "concat", "deep"])[0][1:] == ["concat", "deep"]


def test_the_note_names_both():
    assert "model.lr is model.optimizer.lr" in renaming_note({"model.lr": "model.optimizer.lr"})
