from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import RichProgressBar

from meshgait.callbacks.progress import ProgressLines, progress_callback


def trainer(**options):
    return SimpleNamespace(**{
        "global_step": 10, "estimated_stepping_batches": 40, "current_epoch": 0, "max_epochs": 4,
        "is_global_zero": True, "sanity_checking": False, "callback_metrics": {}, **options,
    })  # fmt: skip


def test_a_line_an_epoch_tells_where_the_fit_stands(capsys):
    lines = ProgressLines()
    lines.on_train_start(trainer(global_step=0), None)
    lines.on_train_epoch_end(trainer(callback_metrics={"train/loss": torch.tensor(1.5)}), None)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("epoch 1/4, step 10/40, loss 1.500, ")
    assert line.endswith("0 s left")


def test_a_fit_without_an_end_has_no_time_left(capsys):
    ProgressLines().on_train_epoch_end(trainer(estimated_stepping_batches=float("inf"), max_epochs=-1), None)
    assert capsys.readouterr().out.startswith("epoch 1, step 10, ")


def test_long_epochs_have_lines_of_their_own(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    lines = ProgressLines()
    lines.on_train_start(trainer(global_step=0), None)
    for now in range(0, 300, 7):
        lines.on_train_batch_end(trainer(global_step=1 + now // 7, estimated_stepping_batches=86), None, None, 0)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 4
    assert told[0].startswith("epoch 1/4, step 10/86, ") and told[0].endswith("8.0 min left")


@pytest.mark.parametrize("verb", ["validation", "test", "predict"])
def test_evaluations_are_counted_by_batches(capsys, monkeypatch, verb):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for rank_zero, expected in ((True, 10), (False, 0)):
        lines = ProgressLines()
        name = "val" if verb == "validation" else verb
        getattr(lines, f"on_{verb}_start")(
            trainer(is_global_zero=rank_zero, **{f"num_{name}_batches": [40]}), None
        )
        for batch in range(40):
            now += 1
            getattr(lines, f"on_{verb}_batch_end")(trainer(), None, None, None, batch)
        told = capsys.readouterr().out.splitlines()
        assert len(told) == expected
        if rank_zero:
            assert told[2].endswith(": 12 of 40 batches, 28 s left")


def test_a_line_a_validation_tells_the_main_figures(capsys):
    figures = {"val/rank1": torch.tensor(81.25), "val/rank1_nm": 90.0, "gei/rank1": 40.0, "train/loss": 1.0}
    ProgressLines().on_validation_end(trainer(callback_metrics=figures), None)
    assert "val/rank1 81.2" in (line := capsys.readouterr().out)
    assert "gei/rank1 40.0" in line and "train/loss" not in line


def test_other_ranks_and_sanity_checks_are_silent(capsys):
    lines = ProgressLines()
    lines.on_train_start(trainer(is_global_zero=False), None)
    lines.on_train_epoch_end(trainer(is_global_zero=False), None)
    lines.on_validation_end(trainer(is_global_zero=False), None)
    lines.on_validation_end(trainer(sanity_checking=True), None)
    assert capsys.readouterr().out == ""


def test_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch):
    assert isinstance(progress_callback(), ProgressLines)
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: True))
    assert isinstance(progress_callback(), RichProgressBar)
