import pytest

from meshgait.cli import main
from tests.report.runs import make_run


@pytest.fixture
def run(tmp_path):
    return str(make_run(tmp_path / "run", stage=1, uses_3d=False, without=("pictures",)))


def test_a_report_is_written_and_what_is_left_out_is_said(run, tmp_path, capsys):
    out = tmp_path / "out" / "report.html"
    assert main(["report", run, "--out", str(out)]) == 0
    text = out.read_text()
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    said = capsys.readouterr().out
    assert "run: left out: pictures" in said and f"{out}: run; " in said
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_a_file_is_replaced_only_on_request(run, tmp_path, capsys):
    out = tmp_path / "report.html"
    out.write_text("mine")
    assert main(["report", run, "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err and out.read_text() == "mine"
    assert main(["report", run, "--out", str(out), "--overwrite"]) == 0
    assert out.read_text().startswith("<!DOCTYPE html>")


def test_errors_are_one_line_and_leave_nothing(run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    out = str(tmp_path / "report.html")
    for words, says in (
        ([str(tmp_path / "gone"), "--out", out], "gone"),
        ([run, str(tmp_path / "empty"), "--out", out], "empty is no run"),
        ([run, run, "--out", out], "more than once"),
        ([run, "--out", str(tmp_path)], "is a folder"),
        ([run, "--out", str(tmp_path / "file" / "report.html")], "cannot be written"),
        ([], "RUN"),
    ):
        assert main(["report", *words]) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_file_is_named(run, tmp_path, capsys):
    with open(f"{run}/metrics.json", "w") as file:
        file.write("{")
    assert main(["report", run, "--out", str(tmp_path / "report.html")]) == 2
    assert "metrics.json" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["report", "--help"])
    assert stop.value.code == 0 and "--overwrite" in capsys.readouterr().out
