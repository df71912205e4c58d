import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from meshgait.callbacks import recognition
from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.evaluation_file import EvaluationFile
from meshgait.callbacks.recognition import RecognitionPictures
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.evaluation.cmc import cmc, first_ranks
from meshgait.evaluation.record import EvaluationRecord
from tests.callbacks.test_evaluate import run

KINDS = ("cmc", "confusions", "embeddings", "views")


@pytest.fixture(scope="module")
def evaluated(tiny_store, tmp_path_factory):
    """A trainer after an evaluation of random embeddings, in a folder of its own."""
    import torch

    data, evaluation = SilhouetteDataModule(str(tiny_store)), RetrievalEvaluation()
    run(evaluation, data, torch.randn(80, 2, 3, generator=torch.Generator().manual_seed(0)))
    return SimpleNamespace(
        datamodule=data, callbacks=[evaluation], global_step=7, loggers=[], sanity_checking=False,
        fast_dev_run=False, default_root_dir=str(tmp_path_factory.mktemp("run")),
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(evaluated):
    from pathlib import Path

    RecognitionPictures(confusions=3).draw(evaluated, None)
    return Path(evaluated.default_root_dir) / "pictures"


def test_the_record_is_what_was_scored(evaluated, store):
    record, data = evaluated.callbacks[0].record, evaluated.datamodule
    assert list(record.sequences) == sorted(record.sequences)
    for row, index in enumerate(record.sequences):
        walk = store.sequences[index]
        assert record.subjects[record.labels[row]] == walk.subject
        assert record.view_names[record.views[row]] == walk.view and record.conditions[row] == walk.condition
        assert record.gallery[row] == data.selection.gallery[index]
        assert {n for n, m in record.probes.items() if m[row]} == {
            n for n, m in data.selection.probes.items() if m[index]
        }


def test_all_pictures_are_drawn(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{kind}-000007.png" for kind in KINDS} | {"confusions-000007.json"}
    assert Image.open(folder / "views-000007.png").width == 3 * Image.open(folder / "cmc-000007.png").width


def test_confusions_say_who_where_and_how_far(folder, evaluated, store):
    table = json.loads((folder / "confusions-000007.json").read_text())
    record = evaluated.callbacks[0].record
    assert len(table) == 3
    row_of = {int(sequence): row for row, sequence in enumerate(record.sequences)}
    for line in table:
        probe, found, own = (store.sequences[line[f"{name}_sequence"]] for name in ("probe", "found", "own"))
        assert (probe.subject, found.subject, own.subject) == (line["person"], line["taken_for"], line["person"])
        assert probe.view == line["probe_view"] != found.view == line["found_view"]
        ends = (record.embeddings[row_of[line[f"{n}_sequence"]]].astype(np.float32) for n in ("probe", "found"))
        one, two = ends
        distance = np.linalg.norm(one - two, axis=-1).mean()
        assert line["distance"] == pytest.approx(distance, abs=1e-3) and distance < line["own_distance"]


def test_the_curve_is_that_of_the_record(evaluated, monkeypatch):
    seen = {}
    monkeypatch.setattr(recognition, "cmc_figure", lambda curves: seen.update(curves))
    monkeypatch.setattr(recognition, "to_png", lambda _: b"")
    RecognitionPictures()._draw_cmc(evaluated, evaluated.callbacks[0].record)
    record = evaluated.callbacks[0].record
    assert list(seen) == ["nm", "bg", "cl"]
    np.testing.assert_array_equal(seen["bg"], cmc(first_ranks(record, "bg").ranks))


def test_each_sequence_has_one_role(evaluated):
    record = evaluated.callbacks[0].record
    names = record.roles
    assert (names[record.gallery] == "gallery").all()
    assert all((names[mask & ~record.gallery] == name).all() for name, mask in record.probes.items())


def test_without_an_evaluation_there_is_nothing_to_draw(tmp_path):
    trainer = SimpleNamespace(callbacks=[RetrievalEvaluation()], default_root_dir=str(tmp_path), loggers=[])
    RecognitionPictures().draw(trainer, None)
    assert list(tmp_path.iterdir()) == []


def test_the_evaluation_is_written_and_a_test_has_a_file_of_its_own(evaluated, tmp_path):
    vars(evaluated)["default_root_dir"] = str(tmp_path)
    EvaluationFile().on_validation_end(evaluated, None)
    EvaluationFile().on_test_end(evaluated, None)
    assert {path.name for path in tmp_path.iterdir()} == {"evaluation.npz", "evaluation-walkers.npz"}
    again = EvaluationRecord.read(tmp_path / "evaluation.npz")
    np.testing.assert_array_equal(again.embeddings, evaluated.callbacks[0].record.embeddings)
