import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

import meshgait
from meshgait import cli
from meshgait.cli import main
from meshgait.errors import DataError

ROOT = Path(__file__).parents[1]
CONFIG = tuple(
    f"--config={ROOT / 'experiments' / name}" for name in ("finetune/walkers.yaml", "ablations/2d-only.yaml")
)
VERBS = (
    "fit",
    "validate",
    "test",
    "predict",
    "body",
    "markers",
    "walkers",
    "pack",
    "silhouettes",
    "check",
    "embed",
    "reconstruct",
    "evaluate",
    "compare",
    "report",
    "sweep",
    "trial",
    "export",
)


def one_line(capsys):
    """The error that was printed: one line on stderr."""
    error = capsys.readouterr().err
    assert error.startswith("meshgait: ") and error.count("\n") == 1, error
    return error


def test_without_a_verb_the_verbs_are_listed(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert set(VERBS) <= {line.split()[0] for line in text.splitlines() if line.startswith("    ")}


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert meshgait.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "verb",
    ["body", "markers", "walkers", "pack", "check", "evaluate", "compare", "embed", "reconstruct", "export"],
)
def test_each_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert f"usage: meshgait {verb}" in capsys.readouterr().out


def test_help_comes_at_once():
    """Listing the verbs must not wait for torch."""
    code = "import sys; from meshgait.cli import main; main([]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_an_error_of_ours_is_one_line_and_status_2(monkeypatch, capsys):
    def fails(_):
        raise DataError("this is wrong\n  there;\n mend it")

    monkeypatch.setattr(cli, "_tool", fails)
    assert main(["pack"]) == 2
    assert one_line(capsys) == "meshgait: this is wrong there; mend it\n"


def test_an_error_in_the_code_is_not_hidden(monkeypatch):
    def fails(_):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "_tool", fails)
    with pytest.raises(ZeroDivisionError):
        main(["pack"])


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys):
    def stops(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_tool", stops)
    assert main(["pack"]) == 130
    assert "go on" in one_line(capsys)


@pytest.mark.parametrize(
    ("words", "training"),
    [
        (["fit"], True),
        (["test", "--config", "x"], True),
        (["predict"], True),
        (["predict", "--config", "x"], True),
        (["predict", "--help"], True),
        (["embed", "--config", "x"], False),
        (["reconstruct", "walker.npy"], False),
        (["evaluate", "e.npz", "--json", "scores.json"], False),
        ([], False),
    ],
    ids=str,
)
def test_a_verb_is_of_training_or_a_tool_whatever_its_arguments(words, training, monkeypatch):
    monkeypatch.setattr(cli, "_train", lambda _: 11)
    monkeypatch.setattr(cli, "_tool", lambda _: 22)
    assert main(words) == (11 if training else 22)


@pytest.mark.parametrize(
    ("words", "now"),
    [
        (["predict", "walker.npy"], "meshgait embed PATH"),
        (["predict", "walker.npy", "--out", "o"], "meshgait reconstruct PATH"),
        (["predict", "--checkpoint=x.ckpt", "walker.npy"], "meshgait embed PATH"),
        (["evaluate", "run"], "meshgait compare RUN"),
        (["evaluate", "--views", "elsewhere"], "meshgait compare RUN"),
        (["evaluate", "run/metrics-usf.json", "run"], "meshgait compare RUN"),
    ],
    ids=str,
)
def test_old_spellings_say_where_they_went(words, now, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    for step in ("_train", "_tool"):
        monkeypatch.setattr(cli, step, lambda _: pytest.fail("it did another thing"))
    assert main(words) == 2
    assert now in one_line(capsys)


def test_score_is_evaluate_for_one_release(monkeypatch, capsys):
    given = []
    monkeypatch.setattr(cli, "_tool", lambda argv: given.append(argv) or 0)
    assert main(["score", "e.npz", "--protocol", "usf"]) == 0
    assert given == [["evaluate", "e.npz", "--protocol", "usf"]]
    assert "note: `meshgait score` is now `meshgait evaluate`" in one_line(capsys)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bogus"], "bogus"),
        (["compare"], "RUN"),
        (["compare", "--verbose", "x"], "--verbose"),
        (["compare", "nowhere"], "nowhere"),
        (["evaluate", "nowhere"], "--protocol"),
        (["walkers", "out", "--bodies", "1"], "--bodies"),
        (["walkers", "file/out"], "file"),
        (["pack", "nowhere", "out"], "nowhere"),
        (["check", "nowhere"], "nowhere"),
        (["embed", "nowhere.npy", "--checkpoint", "gone.ckpt"], "gone.ckpt"),
        (["embed", "nowhere.npy"], "nowhere.npy"),
        (["embed", "nowhere.npy", "--out", "file"], ".npz"),
        (["reconstruct", "nowhere.npy", "--checkpoint", "gone.ckpt"], "gone.ckpt"),
        (["export", "gone.ckpt", "--out", "model"], "gone.ckpt"),
        (["export", "gone.ckpt"], "--out"),
    ],
    ids=str,
)
def test_errors_of_the_tools_are_one_line_and_leave_nothing(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert main(words) == 2
    assert says in one_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


class _Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("boom"),))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--model.widht=3"], "widht"),
        (["--config", "unknown.yaml"], "widht"),
        (["--config", "broken.yaml"], "line 2"),
        (["--config", "gone.yaml"], "gone.yaml"),
        (["--data.batches=many"], "many"),
        (["--data.batches=0"], "data.batches is 0"),
        (["--model.optimizer.lr=-1"], "lr is -1"),
        (["--model.augmentation.flip=3"], "flip is 3"),
        (["--model.size.volume_stride=3"], "volume_stride is 3"),
        (["--data.protocol=walker"], "walkers"),
        (["--data.subjects=50"], "data.subjects"),
        (["--data.store=nowhere"], "nowhere is no packed store"),
        (["--ckpt_path=gone.ckpt"], "no checkpoint at gone.ckpt"),
        (["--ckpt_path=bomb.ckpt"], "bomb.ckpt cannot be read"),
        (["--model.network.use_3d=true", "--model.pretrained=gone.ckpt"], "no checkpoint at gone.ckpt"),
        (["--trainer.default_root_dir=file/run"], "file/run"),
        (["--trainer.devices=0"], "devices"),
        (["--wandb=maybe"], "--wandb is 'maybe'"),
    ],
    ids=str,
)
def test_errors_of_training_are_one_line_and_leave_nothing(
    more, says, tmp_path, monkeypatch, capsys, tiny_store, tiny_size
):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("unknown.yaml").write_text("model:\n  init_args:\n    widht: 3\n")
    Path("broken.yaml").write_text("model: [1,\n")
    Path("size.yaml").write_text(json.dumps(asdict(tiny_size)))
    torch.save(_Bomb(), "bomb.ckpt")
    before = set(tmp_path.rglob("*"))
    words = ["fit", *CONFIG, f"--data.store={tiny_store}", "--model.size=size.yaml", "--wandb=disabled"]
    words += ["--trainer.default_root_dir=run", "--trainer.accelerator=cpu", *more]
    assert main(words) == 2
    assert says.lower() in one_line(capsys).lower()
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= before  # no boom, no half of a run


@pytest.mark.parametrize("verb", ["validate", "test", "predict"])
def test_noise_is_not_evaluated(verb, capsys, tiny_store, tmp_path):
    assert main([verb, *CONFIG, f"--data.store={tiny_store}", "--wandb=disabled"]) == 2
    assert "--ckpt_path" in one_line(capsys)
