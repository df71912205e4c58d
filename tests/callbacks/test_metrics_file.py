import json
from types import SimpleNamespace

import pytest
import torch

from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.metrics_file import MetricsFile, machine
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.evaluation.scoring import evaluate
from meshgait.models.meshgait import MeshGait


@pytest.fixture
def trainer(tmp_path, tiny_store):
    data = SilhouetteDataModule(str(tiny_store), seed=3)
    evaluation = RetrievalEvaluation()
    evaluation.scores = evaluate(torch.randn(80, 2, 3), data.selection)
    return SimpleNamespace(
        datamodule=data, callbacks=[evaluation], callback_metrics={"val/rank1": torch.tensor(12.34567)},
        global_step=50, world_size=1, precision="32-true", default_root_dir=str(tmp_path / "run"),
        is_global_zero=True, interrupted=False, fast_dev_run=False,
    )  # fmt: skip


@pytest.fixture
def module(tiny_size):
    return SimpleNamespace(network=MeshGait(tiny_size, 4))


def fit(callback, trainer, module, epochs=1):
    callback.on_fit_start(trainer, module)
    for _ in range(epochs):
        callback.on_train_start(trainer, module)
    callback.on_fit_end(trainer, module)
    path = trainer.default_root_dir + "/metrics.json"
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def test_figures_are_stamped_with_what_they_are_of(trainer, module):
    content = fit(MetricsFile(), trainer, module)
    assert content["figures"] == {"val/rank1": 12.3457}
    assert content["uses_3d"] is True
    assert content["protocol"] == "walkers"
    assert content["data"] == {"path": str(trainer.datamodule.path), "hash": trainer.datamodule.store.hash}
    assert content["parameters"] == sum(p.numel() for p in module.network.parameters())
    assert (content["step"], content["seed"], content["devices"], content["precision"]) == (50, 3, 1, "32-true")
    assert content["seconds"] >= 0 and content["machine"].endswith("cores")


def test_cells_and_the_kinds_of_errors_are_kept(trainer, module):
    content = fit(MetricsFile(), trainer, module)
    cells = content["cells"]["nm"]
    assert cells["probe_views"] == cells["gallery_views"] == ["000", "072"]
    assert len(cells["rank1"]) == 2 and all(0 <= value <= 100 for row in cells["rank1"] for value in row)
    errors = content["errors"]
    wrong = sum(len(score.wrong) for score in trainer.callbacks[0].scores.values())
    assert errors["wrong"] == wrong > 0
    assert set(errors) == {"wrong", "same body", "same style", "other"}


def test_a_network_without_3d_is_marked_so(trainer, tiny_size):
    content = fit(MetricsFile(), trainer, SimpleNamespace(network=MeshGait(tiny_size, 4, use_3d=False)))
    assert content["uses_3d"] is False


@pytest.mark.parametrize("state", [{"interrupted": True}, {"fast_dev_run": True}, {"is_global_zero": False}])
def test_no_file_says_done_when_it_is_not(trainer, module, state):
    vars(trainer).update(state)
    assert fit(MetricsFile(), trainer, module) is None


def test_repeating_a_complete_fit_leaves_its_figures_alone(trainer, module):
    before = fit(MetricsFile(), trainer, module)
    trainer.callback_metrics = {}
    assert fit(MetricsFile(), trainer, module, epochs=0) == before


def test_a_test_has_a_file_of_its_own_by_protocol(trainer, module, tmp_path):
    MetricsFile().on_test_end(trainer, module)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["metrics-walkers.json"]


def test_seconds_of_a_resumed_run_add_up(trainer, module, monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("meshgait.callbacks.metrics_file.time", SimpleNamespace(monotonic=lambda: clock.now))
    first = MetricsFile()
    first.on_fit_start(trainer, module)
    clock.now += 7
    state = first.state_dict()
    clock.now = 5.0  # another machine, another clock
    second = MetricsFile()
    second.on_fit_start(trainer, module)
    second.load_state_dict(state)
    second.on_train_start(trainer, module)
    clock.now += 3
    second.on_fit_end(trainer, module)
    with open(trainer.default_root_dir + "/metrics.json") as file:
        assert json.load(file)["seconds"] == 10


def test_the_machine_in_words():
    assert machine().split(", ")[-1].endswith("cores")
