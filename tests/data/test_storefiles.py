"""Text files of a store: names that break rows, tables of strangers, a resumed table."""

import csv
import json

import numpy as np
import pytest

from meshgait.data.dropped_table import DroppedTable
from meshgait.data.layouts import LAYOUTS
from meshgait.data.loaded_sequence import Dropped
from meshgait.data.packing import pack_tree
from meshgait.data.store import Store, StoreWriter
from meshgait.data.storefiles import index_row, written_rows
from meshgait.errors import DataError, StoreError
from tests.data.test_store import write

FRAMES = np.full((2, 8, 5), 255, np.uint8)
HEAD = "subject,condition,view,start,frames\n"
BREAKS = ["a\nb", "a\rb", "a\u2028b", "a\x85b", "a\x1cb", "a\x1b[2J", "\udcd6\udcd0", "x" * 256]


@pytest.mark.parametrize("name", BREAKS)
def test_names_that_break_rows_are_not_written(tmp_path, name):
    with StoreWriter(tmp_path / "s", size=(8, 5)) as writer:
        writer.add("000", "nm-01", "000", FRAMES)
        for names in ((name, "nm-01", "000"), ("001", name, "000"), ("001", "nm-01", name)):
            with pytest.raises(DataError) as error:
                writer.add(*names, FRAMES)
            assert len(str(error.value).splitlines()) == 1 and str(error.value).encode()
        writer.finish()
    assert [s.subject for s in Store(tmp_path / "s").sequences] == ["000"]


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "\udcd6\udcd0"])
def test_folders_of_such_names_are_refused_before_anything_is_read(tmp_path, name):
    folder = tmp_path / "source" / name / "nm-01" / "000"
    try:
        folder.mkdir(parents=True)
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    (folder / "000.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"the subject .*(rename it|convmv)") as error:
        pack_tree(tmp_path / "source", tmp_path / "s", LAYOUTS["frames"], progress=False)
    assert len(str(error.value).splitlines()) == 1 and str(error.value).encode()
    assert not list(tmp_path.glob("s*partial"))


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\x1cb", "a\x0bb", '"a\nb"', '"a\rb"', '"a,""b"'])
def test_a_table_with_such_names_is_still_read_and_resumed(tmp_path, name):
    """Stores of earlier versions have them."""
    plain = next(csv.reader([name.replace("\n", "~").replace("\r", "^")]))[0].replace("~", "\n").replace("^", "\r")
    write(tmp_path / "s").close()
    table = tmp_path / "s.partial" / "sequences.csv"
    rows = f"{name},nm-01,000,0,3\ns1,nm-01,{name},3,1\ns2,nm-01,000,4,5\n"
    table.write_bytes((HEAD + rows).encode())
    assert written_rows(table, 9) == (3, 9, ("s2", "nm-01", "000"), len((HEAD + rows).encode()))
    assert written_rows(table, 8)[:3] == (2, 4, ("s1", "nm-01", plain))
    table.write_bytes((HEAD + rows).encode()[:-3])
    resumed = write(tmp_path / "s")  # the third sequence is written again
    resumed.finish()
    sequences = Store(tmp_path / "s").sequences
    assert next(iter(sequences))[:3] == (plain, "nm-01", "000") and list(sequences)[1].view == plain
    assert sequences.coded("subject").names.tolist() == sorted({plain, "s1", "s2"})


@pytest.mark.parametrize("rows", ["a,b\n", "a,nm-01,000,x,3\n", "a,nm-01,000," + "9" * 400 + ",3\n", "\xff\n"])
def test_a_damaged_partial_table_is_refused_with_the_remedy(tmp_path, rows):
    write(tmp_path / "s").close()
    (tmp_path / "s.partial" / "sequences.csv").write_bytes((HEAD + rows).encode("latin-1"))
    with pytest.raises(StoreError, match=r"sequences\.csv is damaged .*; remove .*s\.partial"):
        StoreWriter(tmp_path / "s", size=(8, 5))


@pytest.mark.parametrize(
    "text",
    [
        "a,nm-01,000,0,3\n" * 3,  # without its first line
        "subject,view,condition,start,frames\na,000,nm-01,0,9\n",
        HEAD + "a,nm-01,000,0,0\nb,nm-01,000,0,9\n",
        HEAD + "a,nm-01,000,1,9\n",
        HEAD + "a,nm-01,000," + "9" * 18 + ",9\n",
        HEAD + "a,nm-01,000," + "9" * 400 + ",9\n",
        HEAD + "a,nm-01,000,-1,9\n",
        HEAD + ("a,nm-01,000,0," + str(2**59) + "\n") * 32 + "a,nm-01,000,0,9\n",  # the sum wraps round to 9
        HEAD + '"' + "x" * 200_000 + '",nm-01,000,0,9\n',
        HEAD + "\udcd2,nm-01,000,0,9\n",
    ],
    ids=str,
)
def test_tables_of_strangers_that_do_not_fit_are_refused(tmp_path, text):
    write(tmp_path / "s").finish()
    (tmp_path / "s" / "sequences.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path / "s")


def test_a_mark_at_the_beginning_does_not_matter(tmp_path):
    write(tmp_path / "s").finish()
    before = list(Store(tmp_path / "s").sequences)
    for file in ("sequences.csv", "meta.json"):
        text = (tmp_path / "s" / file).read_text()
        (tmp_path / "s" / file).write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert list(Store(tmp_path / "s").sequences) == before


@pytest.mark.parametrize(
    "change",
    [
        {"size": [8, 9]}, {"size": [5, 8]}, {"size": [8]}, {"size": [8, 10**9]}, {"bits": 8}, {"bits": 2},
        {"frames": 10}, {"frames": -1}, {"frames": "9"}, {"version": "1"}, {"sha256": None},
        {"sha256": {"../../secret.npy": "0"}}, {"sha256": {"x" * 999 + ".npy": "0"}}, {"subjects": {"a": 3}},
    ],
    ids=str,
)  # fmt: skip
def test_a_description_that_does_not_fit_is_refused(tmp_path, change):
    write(tmp_path / "s").finish()
    path = tmp_path / "s" / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path / "s")


def test_a_row_of_the_table_is_csv():
    assert next(csv.reader([index_row("a,b", 'c"', "d", 1, 2).decode()])) == ["a,b", 'c"', "d", "1", "2"]


def test_what_was_dropped_stays_one_row_each_and_is_no_formula(tmp_path):
    table = DroppedTable(tmp_path, 0)
    table.add_drops(
        0, "=cmd|'/c calc'!A1", (Dropped("-1+1.png", "unreadable", "@x\r\n+y"), Dropped("", "a\u2028b"))
    )
    table.close()
    with (tmp_path / "dropped.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    assert rows == [
        ["0", "'=cmd|'/c calc'!A1", "'-1+1.png", "unreadable", "'@x +y"],
        ["0", "'=cmd|'/c calc'!A1", "", "a b", ""],
    ]
    assert table.counts() == {"frames": {"unreadable": 1}, "sequences": {"a b": 1}}
