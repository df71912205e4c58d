from types import SimpleNamespace

import numpy as np

from meshgait.evaluation.verification import ErrorRates
from meshgait.report import tables
from meshgait.report.folder import read_run, read_runs
from tests.report.runs import make_run


def cells(table, row):
    (found,) = [dict(zip(table.columns[1:], line[1:], strict=True)) for line in table.rows if line[0] == row]
    return found


def test_recognition_has_the_baseline_once_a_data_set(tmp_path):
    runs = [
        make_run(tmp_path / "one"),
        make_run(tmp_path / "same", store="elsewhere", shift=5),
        make_run(tmp_path / "other", hash="b2", store="there"),
    ]
    recognition, body = tables.results(read_runs(runs)).blocks
    names = [row[0] for row in recognition.rows]
    assert names == ["GEI baseline, data/walkers", "one", "same", "GEI baseline, there", "other"]
    # nm before bg, then their mean; rank-1, then mAP, then the means of rank-5 and mINP
    assert recognition.columns == ("run", "nm", "bg", "mean", "nm", "bg", "mean", "rank-5", "mINP")
    assert sum(span for _, span in recognition.groups) == len(recognition.columns)
    assert list(recognition.rows[0][1:]) == ["40.0", "30.0", "35.0", "30.0", "20.0", "25.0", "55.0", "15.0"]
    assert list(recognition.rows[2][1:]) == ["85.0", "75.0", "80.0", "75.0", "65.0", "70.0", "100.0", "60.0"]
    alone, _ = tables.results(read_runs(runs[:2])).blocks
    assert [row[0] for row in alone.rows] == ["GEI baseline", "one", "same"]
    assert cells(body, "same") == {"MPJPE": "48.2", "PA-MPJPE": "35.0", "MPVPE": "55.5"}


def test_stage_1_has_millimetres_alone_and_no_figures_are_said(tmp_path):
    section = tables.results(read_runs([make_run(tmp_path / "pretrain", stage=1)]))
    (body,) = section.blocks
    assert "mm" in body.caption
    section = tables.results(read_runs([make_run(tmp_path / "begun", without=("metrics.json",))]))
    assert section.blocks == [] and section.text == ["No run has final figures yet."]


def test_summary(tmp_path):
    folders = [
        make_run(tmp_path / "first", stage=1),
        make_run(tmp_path / "flat", uses_3d=False, hash="b2"),
        make_run(tmp_path / "begun", without=("metrics.json", "history.jsonl")),
    ]
    section = tables.summary(read_runs(folders))
    facts = {row[0]: row[1:] for row in section.blocks[0].rows}
    assert facts["stage"] == ("1: 3D heatmaps", "2: recognition, 2D only", "2: recognition, 2D only")
    assert facts["state"] == ("finished", "finished", "not finished")
    assert facts["parameters"] == ("1,234,567", "1,234,567", "–")
    assert facts["time"] == ("1 h 2 min", "1 h 2 min", "–")
    assert facts["hash of the data"] == ("a1", "b2", "–")
    assert "different data" in section.text[0]
    assert "begun: not in this page" in section.text[1] and "history.jsonl" in section.text[1]


def test_settings_that_differ_come_first(tmp_path):
    runs = read_runs(
        [make_run(tmp_path / "a"), make_run(tmp_path / "b", seed=1), make_run(tmp_path / "c", stage=1)]
    )
    differing, partly, equal = tables.settings(runs).blocks
    assert [row[0] for row in differing.rows] == ["seed_everything", "model.class_path", "model.optimizer.lr"]
    assert cells(differing, "model.optimizer.lr") == {"a": "0.1", "b": "0.2", "c": "0.1"}
    assert partly.fold and cells(partly.blocks[0], "data.size") == {"a": "–", "b": "–", "c": "4"}
    assert equal.fold and [row[0] for row in equal.blocks[0].rows] == [
        "trainer.max_epochs", "trainer.precision", "data.store",
    ]  # fmt: skip
    shown = [row[0] for table in (differing, *partly.blocks, *equal.blocks) for row in table.rows]
    assert sorted(shown) == sorted({name for run in runs for name in run.settings})  # each of them once


def test_settings_of_one_run_of_equal_runs_and_of_none(tmp_path):
    run = read_run(make_run(tmp_path / "a"))
    (one,) = tables.settings([run]).blocks
    assert len(one.blocks[0].rows) == len(run.settings)
    same = tables.settings(read_runs([tmp_path / "a", make_run(tmp_path / "b")]))
    assert "equal settings" in same.text[0] and len(same.blocks) == 1
    assert "config.yaml" in tables.settings([read_run(make_run(tmp_path / "c", without=("config.yaml",)))]).text[0]


def test_rates_that_rest_on_few_false_matches_are_dashes():
    rates = ErrorRates(np.arange(3.0), np.array([0, 10.0, 100]), np.array([100.0, 20, 0]), 18.0)
    few, many = (
        SimpleNamespace(
            run="run", condition="nm",
            verification=SimpleNamespace(
                rates=rates, eer_interval=np.array([15.0, 21]), mated=9999, nonmated=count, subjects=7,
                fnmr_interval=lambda fmr: rates.fnmr_at([fmr, fmr]),
            ),
        )
        for count in (299, 3000)
    )  # fmt: skip
    table = tables.errors_table([few])
    assert table.rows[0] == ("run, nm", "18.0 (15.0–21.0)", "–", "–", "–", "9,999", "299", "7")
    table = tables.errors_table([many])  # 30 expected at 1 %, 3 at 0.1 %
    assert table.rows[0][2:5] == ("20.0 (20.0–20.0)", "92.0 (92.0–92.0)", "–")
