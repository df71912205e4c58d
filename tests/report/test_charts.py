import base64
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from meshgait.report import charts
from meshgait.report.folder import read_runs
from meshgait.report.recognition import recognition
from meshgait.viz.plots import PAPER, history_figure
from tests.report.runs import CELLS, make_run, record


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return read_runs([make_run(root / "pre", stage=1), make_run(root / "a"), make_run(root / "b", seed=1)])


def svg(uri):
    assert uri.startswith("data:image/svg+xml;base64,")
    return base64.b64decode(uri.split(",", 1)[1]).decode()


def test_a_chart_has_two_themes():
    series = {"run": (np.arange(5), np.arange(5.0))}
    picture = charts.chart(lambda theme: history_figure(series, "loss", theme), "rising", "caption")
    assert (picture.alt, picture.caption) == ("rising", "caption")
    for uri, theme, other in ((picture.light, "light", "dark"), (picture.dark, "dark", "light")):
        text = svg(uri)
        assert PAPER[theme] in text and PAPER[other] not in text
        assert re.search(r"<svg[^>]* viewBox", text)
        assert "<script" not in text
        ElementTree.fromstring(text)  # made shorter, yet whole


def test_cmc_and_det(runs):
    found = [recognition(run, name) for run in runs[1:] for name in ("nm", "bg")]
    section = charts.identification(found)
    grid, table = section.blocks
    assert [picture.caption for picture in grid.blocks] == ["probes nm", "probes bg"]
    assert [row[0] for row in table.rows] == ["a, nm", "a, bg", "b, nm", "b, bg"]
    assert f"a {found[0].cmc[0]:.1f} % at rank 1" in grid.blocks[0].alt and "; b " in grid.blocks[0].alt
    section = charts.verification_section(found)
    grid, table = section.blocks
    assert f"b EER {found[3].verification.rates.eer:.1f} %" in grid.blocks[1].alt
    assert "cross-view" in section.text[0] and "ISO/IEC 19795-1" in section.text[1]
    assert len(table.rows) == 4


def test_without_evaluations_there_is_a_word_about_it():
    for section in (charts.identification([]), charts.verification_section([])):
        assert "evaluation.npz" in section.text[0] and not section.blocks


def test_views_are_charts_of_each_run(runs):
    (grid,) = charts.views(runs).blocks
    assert (grid.title, len(grid.blocks)) == ("probes nm", 2)
    assert "best 99.0 % (probe 000, gallery 000) and worst 1.0 % (probe 144, gallery 000)" in grid.blocks[0].alt
    assert not charts.views(runs[:1]).blocks
    nothing = {"cells": {"nm": CELLS | {"rank1": [[float("nan")] * 3] * 3}}}
    assert not charts.views([replace(runs[1], metrics=nothing)]).blocks


def test_maps_of_embeddings(runs):
    (grid,) = charts.embeddings(runs).blocks
    assert [picture.caption for picture in grid.blocks] == ["a", "b"]
    assert grid.blocks[0].alt.startswith("Map of 72 embeddings of 6 persons")
    few = replace(runs[1], record=record(subjects=1, conditions=("nm",)))
    assert len(charts.embeddings([few]).blocks) == 1
    assert "evaluation.npz" in charts.embeddings(runs[:1]).text[0]


def test_courses_that_have_one_are_drawn(runs, tmp_path):
    shown, folded = charts.training(runs).blocks
    # once is no course; epochs, the baseline and what is said per condition are left out
    assert len(shown.blocks) == 1 and folded.title == "1 more: lr-AdamW" and folded.fold
    alt = shown.blocks[0].alt
    assert alt.startswith("Course of train/loss: a from 0.1 at step 0 to 0.0125 at 350; b from")
    assert alt.index("; b ") < alt.index("; pre ")  # colours are those of CMC and DET
    (bare,) = read_runs([make_run(tmp_path / "bare", without=("history.jsonl",))])
    assert "history.jsonl" in charts.training([bare]).text[0]
