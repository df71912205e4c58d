import json

import numpy as np
import pytest
from PIL import Image

from meshgait.cli import main
from meshgait.data.store import Store, StoreWriter

pytestmark = pytest.mark.slow


@pytest.fixture
def doubtful(tiny_store, tmp_path):
    """The tiny store with an empty frame and a mesh beside its silhouette."""
    store, writer = Store(tiny_store), StoreWriter(tmp_path / "store", smpl=True)
    for number, row in enumerate(store.sequences):
        arrays = {"silhouettes": store.silhouettes(number), **store.smpl(number)}
        if number == 1:
            arrays["silhouettes"][2] = 0
        if number == 4:
            arrays["cameras"] = arrays["cameras"] + np.float32([0, 15, 0])
        writer.add(row.subject, row.condition, row.view, **arrays)
    writer.finish(partition=store.partition)
    return tmp_path / "store"


def test_a_clean_store(tiny_store, capsys):
    assert main(["check", str(tiny_store), "--short", "6", "--strict"]) == 0
    text = capsys.readouterr().out
    assert "nothing is wrong" in text and "protocol walkers" in text
    assert "at most 2 a sequence, seed 0" in " ".join(text.split())


def test_findings_are_printed_with_remedies(doubtful, capsys):
    assert main(["check", str(doubtful), "--short", "6"]) == 0
    text = capsys.readouterr().out
    rows = Store(doubtful).sequences
    for number, code in ((1, "empty"), (4, "misaligned")):
        assert code in text and "/".join(rows[number][:3]) in text
    assert "pack again from raw frames" in text


def test_strict_tells_findings_from_failures(doubtful, tmp_path, capsys):
    words = ["check", str(doubtful), "--short", "6", "--strict"]
    assert main(words) == 1
    assert main([*words, "--ignore", "empty", "--ignore", "misaligned"]) == 0
    (doubtful / "silhouettes.npy").write_bytes(b"")
    assert main([*words, "--json", str(tmp_path / "report.json")]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and "is damaged" in printed.err
    found = {finding["code"] for finding in json.loads((tmp_path / "report.json").read_text())["findings"]}
    assert found == {"truncated", "unreadable"}


def test_json(doubtful, tmp_path):
    out = tmp_path / "new" / "report.json"
    assert main(["check", str(doubtful), "--short", "6", "--json", str(out), "--frames-per-sequence", "6"]) == 0
    report = json.loads(out.read_text())
    rows = Store(doubtful).sequences
    found = {finding["code"]: finding for finding in report["findings"]}
    assert found["empty"]["where"] == [f"{'/'.join(rows[1][:3])} (1 of 6)"]
    assert found["misaligned"]["where"] == [f"{'/'.join(rows[4][:3])} (6 of 6)"]
    fit = report["alignment"]
    assert fit["frames"] == sum(fit["histogram"]) == 6 * len(rows) - 1 and fit["low"] == 6
    assert fit["worst"][0]["sequence"] == "/".join(rows[4][:3])
    assert [path.name for path in out.parent.iterdir()] == ["report.json"]


def test_pictures(doubtful, tmp_path):
    folder = tmp_path / "pictures"
    assert main(["check", str(doubtful), "--short", "6", "--pictures", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["empty.png", "iou.png", "worst.png"]
    for path in folder.iterdir():
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG" and min(picture.size) > 200


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--iou", "2"], "--iou is 2"),
        (["--short", "-1"], "--short is -1"),
        (["--protocol", "walker"], "did you mean walkers"),
        (["--partition", "gone.json"], "gone.json does not exist"),
        (["--body", "gone.npz"], "gone.npz"),
        (["--ignore", "emty"], "emty"),
        (["--json", "file/report.json"], "file/report.json"),
        (["--pictures", "file"], "file"),
    ],
    ids=str,
)
def test_errors_are_one_line(more, says, tiny_store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["check", str(tiny_store), *more]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
