import json

import pytest

from meshgait.cli import main
from meshgait.errors import DataError
from meshgait.run_folder import read_finished

RATES = {"rank1": 80.0, "rank5": 90.0, "mean_ap": 70.0, "mean_inp": 60.0}


def figures(shift=0.0):
    flat = {"val/mpjpe": 61.23, "val/pa_mpjpe": 45.0, "val/mpvpe": 70.06}
    for prefix, less in (("val", 0), ("gei", 40)):
        for number, condition in enumerate(("bg", "cl", "nm")):
            for name, value in RATES.items():
                flat[f"{prefix}/{name}_{condition}"] = value - less - 10 * number + shift
        flat[f"{prefix}/rank1"] = 70.0 - less
    return flat


def make(folder, **content):
    folder.mkdir(parents=True)
    content = {
        "figures": figures(), "uses_3d": True, "data": {"path": "x", "hash": "a"}, "machine": "a box, 2 cores",
        "seconds": 12.5, "protocol": "walkers", **content,
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(content))
    return str(folder)


def rows(text, start):
    return [line for line in text.splitlines() if start in line]


def test_one_table_of_baseline_2d_and_mesh_gait(tmp_path, capsys):
    full = make(tmp_path / "finetune")
    flat = make(tmp_path / "baseline", uses_3d=False, figures=figures(-5))
    assert main(["compare", flat, full]) == 0
    text = capsys.readouterr().out
    (header,) = [line for line in text.splitlines() if "rank-5" in line]
    assert header.index("nm") < header.index("bg") < header.index("cl")  # the usual order
    (gei,) = rows(text, "GEI baseline")  # once for both runs, which are of the same data
    (two,) = rows(text, "2D only (baseline)")
    (three,) = rows(text, "Mesh-Gait (finetune)")
    assert [float(word) for word in three.split() if word.replace(".", "").isdigit()] == [60, 80, 70, 80, 60, 50]
    assert "55.0" in two and "75.0" in two
    assert "35.0" in gei
    assert "61.2" in text and "70.1" in text  # millimetres
    assert "a box, 2 cores, 12 s" in text


def test_each_data_set_has_a_baseline_of_its_own(tmp_path, capsys):
    one, two = make(tmp_path / "one"), make(tmp_path / "two", data={"path": "y", "hash": "b"})
    assert main(["compare", one, two]) == 0
    assert len(rows(capsys.readouterr().out, "GEI baseline")) == 2


def test_runs_of_stage_1_have_millimetres_alone(tmp_path, capsys):
    run = make(tmp_path / "pretrain", figures={"val/mpjpe": 50.0, "val/pa_mpjpe": 40.0, "val/mpvpe": 60.0})
    assert main(["compare", run]) == 0
    text = capsys.readouterr().out
    assert "MPJPE" in text and "50.0" in text and "rank-1" not in text


def test_views_and_errors_on_request(tmp_path, capsys):
    cells = {
        "nm": {
            "probe_views": ["000", "090"],
            "gallery_views": ["000", "090"],
            "rank1": [[99.0, 11.0], [22.0, 88.0]],
        }
    }
    run = make(tmp_path / "run", cells=cells, errors={"wrong": 7, "same body": 3})
    assert main(["compare", run]) == 0
    assert "11.0" not in (text := capsys.readouterr().out) and "same body" not in text
    assert main(["compare", run, "--views", "--errors"]) == 0
    text = capsys.readouterr().out
    (row,) = [line for line in text.splitlines() if "99.0" in line]
    assert "000" in row and "11.0" in row
    assert "'same body': 3" in text


def test_a_metrics_file_can_be_named_itself(tmp_path):
    run = make(tmp_path / "run")
    assert read_finished(tmp_path / "run" / "metrics.json")["name"] == "run/metrics"
    assert read_finished(tmp_path / "run")["name"] == "run"
    assert main(["compare", run + "/metrics.json"]) == 0


def test_an_unfinished_run_is_named_with_the_remedy(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(DataError, match="not a finished run"):
        read_finished(tmp_path / "run")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"figures": 3}', '{"figures": {}}'])
def test_a_file_that_is_no_metrics_file_is_refused_in_one_line(tmp_path, capsys, content):
    (tmp_path / "metrics.json").write_text(content)
    assert main(["compare", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "holds no metrics" in error


def test_words_of_a_file_are_text_and_no_markup(tmp_path, capsys):
    run = make(tmp_path / "[b]run", machine="[/dim] a box", protocol="[bold]x[/y]")
    assert main(["compare", run]) == 0
    text = capsys.readouterr().out
    assert "[/dim] a box" in text and "[bold]x[/y]" in text and "[b]run" in text
