"""What experiments and command lines with old names of settings build, and what is said of them."""

import json

import pytest

from meshgait.configured import build_stage
from meshgait.errors import ConfigError

OLD = {
    "lr": 0.5, "weight_decay": 0.25, "optimizer": "sgd", "warmup": 0.0, "milestones": [2, 4], "body_frames": 7,
    "decoder": "simplex", "losses": {"edges": 0}, "margin": 0.3, "fusion": "concat", "body": None,
}  # fmt: skip
NEW = {
    "optimizer": {"name": "sgd", "lr": 0.5, "weight_decay": 0.25, "warmup": 0.0, "milestones": [2, 4]},
    "body": {"file": None, "decoder": "simplex", "losses": {"edges": 0}},
    "branch_3d": {"frames": 7},
    "identity": {"margin": 0.3},
    "network": {"fusion": "concat"},
}


@pytest.fixture
def build(tiny_size, tmp_path):
    size = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(tiny_size).items()}

    def built(settings, *words, name="experiment.yaml", class_path="meshgait.stages.recognise.RecogniseStage"):
        path = tmp_path / name
        model = {"class_path": class_path, "init_args": {"size": size, **settings}}
        path.write_text(json.dumps({"model": model}))
        return build_stage([path], words, 3)

    return built


def groups(stage):
    return stage.optimizer, stage.branch_3d, stage.identity, stage.settings, stage.supervision.weights


def test_an_old_experiment_builds_what_it_built_and_says_the_new_names_once(build, capsys):
    old = groups(build(OLD))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("meshgait: note: settings have new names")
    assert "model.lr is model.optimizer.lr" in line and "model.losses is model.body.losses" in line
    assert old == groups(build(NEW))
    assert capsys.readouterr().err == ""


def test_old_words_do_as_well(build, capsys):
    words = ["--model.lr=0.5", "--model.weight_decay=0.25", "--model.optimizer", "sgd", "--model.warmup=0"]
    words += [
        "--model.milestones=[2, 4]",
        "--model.body_frames=7",
        "--model.decoder=simplex",
        "--model.margin=0.3",
    ]
    words += ["--model.losses.edges=0", "--model.fusion=concat", "--model.body", "null"]
    old = groups(build({"body": {"file": "gone.npz"}}, *words))
    assert "--model.lr is --model.optimizer.lr" in capsys.readouterr().err
    assert old == groups(build(NEW))


def test_old_names_within_groups_work_in_files_of_groups_and_in_braces(build, capsys, tmp_path):
    new = build({"network": {"fusion": "3d-only"}, "body": {"losses": {"marginal_cross_entropy": 0.25}}})
    assert capsys.readouterr().err == "" and new.supervision.weights["marginal_cross_entropy"] == 0.25
    (tmp_path / "body.yaml").write_text("losses: {confidence: 0.25}")
    for words in (
        ["--model.network.fusion=deep", "--model.body.losses.confidence=0.25"],
        ['--model.network={"fusion": "deep"}', '--model.body.losses={"confidence": 0.25}'],
        ["--model.network.fusion", "deep", "--model.body", str(tmp_path / "body.yaml")],
    ):
        assert groups(build({}, *words)) == groups(new)
        assert "marginal_cross_entropy" in capsys.readouterr().err


def test_a_null_in_a_group_is_no_file_of_that_name(build):
    stage = build(
        {"body": {"file": "gone.npz", "markers": "gone.npz"}},
        "--model.body.file=null",
        "--model.body.markers=null",
    )
    assert (stage.settings["body"], stage.settings["markers"]) == (None, None)


def test_both_names_at_once_are_refused_in_one_line(build):
    with pytest.raises(ConfigError, match=r"model\.lr and model\.optimizer\.lr are one setting") as caught:
        build({"lr": 0.1, "optimizer": {"lr": 0.2}})
    assert "\n" not in str(caught.value)


def test_values_out_of_range_are_named_by_their_group(build):
    with pytest.raises(ConfigError, match=r"^optimizer\.warmup is 1\.5; give the share"):
        build({}, "--model.optimizer.warmup=1.5")
