from types import SimpleNamespace

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
    assert line.endswith("min left")


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
