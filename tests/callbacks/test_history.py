import json

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader

from meshgait.callbacks import best_effort as best_effort_module
from meshgait.callbacks.history import HistoryFile, HistoryLines


@pytest.fixture(autouse=True)
def _forget_warnings(monkeypatch):
    monkeypatch.setattr(best_effort_module, "_warned", set())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "history.jsonl"


def read(path):
    return [
        json.loads(line, parse_constant=lambda _: pytest.fail("no JSON")) for line in path.read_text().splitlines()
    ]


def test_a_line_holds_a_step_and_its_figures(path):
    lines = HistoryLines(path)
    lines.log_metrics({"train/loss": np.float32(0.1), "val/rank1": torch.tensor(81.25)}, 7)
    lines.log_metrics({"train/loss": float("nan")}, 8)
    assert read(path) == [{"step": 7, "train/loss": 0.1, "val/rank1": 81.25}, {"step": 8, "train/loss": None}]


def test_going_on_drops_what_lies_beyond_the_checkpoint(path):
    earlier = HistoryLines(path)
    for step in (0, 4, 9, 10, 14):
        earlier.log_metrics({"loss": step}, step)
    with path.open("a") as file:
        file.write('{"step": 1')  # killed in the middle of a line
    later = HistoryLines(path)
    later.rewind(10)
    later.log_metrics({"loss": 0}, 10)
    assert [line["step"] for line in read(path)] == [0, 4, 9, 10]


def test_beginning_anew_drops_everything(path):
    HistoryLines(path).log_metrics({"loss": 1}, 3)
    lines = HistoryLines(path)
    lines.rewind(0)
    assert path.read_text() == ""


def test_what_finds_no_place_is_said_once_and_written_later(path, capsys):
    lines = HistoryLines(path)
    lines.log_metrics({"loss": 1}, 0)
    kept = path.read_bytes()
    path.unlink()
    path.mkdir()
    lines.log_metrics({"loss": 2}, 1)
    lines.log_metrics({"loss": 3}, 2)
    assert capsys.readouterr().err.count("meshgait: warning: ") == 1
    path.rmdir()
    path.write_bytes(kept + b'{"step": 1, "lo')  # the disk was full after half a line
    lines.log_metrics({"loss": 4}, 3)
    assert [(line["step"], line["loss"]) for line in read(path)] == [(0, 1), (1, 2), (2, 3), (3, 4)]


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        loss = self.layer(batch).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.layer(batch).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


def fit(folder, epochs, **options):
    trainer = Trainer(
        default_root_dir=folder, max_epochs=epochs, accelerator="cpu", logger=False, log_every_n_steps=2,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=[HistoryFile()],
        enable_checkpointing=False,
    )  # fmt: skip
    batches = DataLoader(torch.ones(5, 1))
    trainer.fit(Line(), batches, batches, **options)
    return trainer


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_without_loggers_has_a_history_at_the_loggers_cadence(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fit(whole, 2)
    first = fit(parts, 1)
    first.save_checkpoint(tmp_path / "one.ckpt")
    HistoryLines(parts / "history.jsonl").log_metrics({"train/loss": 9}, 5)  # the second epoch, killed
    fit(parts, 2, ckpt_path=tmp_path / "one.ckpt")
    shapes = [
        [(line["step"], *sorted(line)) for line in read(folder / "history.jsonl")] for folder in (whole, parts)
    ]
    assert shapes[0] == shapes[1]
    assert [line["step"] for line in read(whole / "history.jsonl") if "train/loss" in line] == [1, 3, 5, 7, 9]
    assert [line["step"] for line in read(whole / "history.jsonl") if "val/loss" in line] == [4, 9]
