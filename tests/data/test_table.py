"""The table of sequences, by its bytes, against Python's own csv reader."""

import csv
import pickle

import numpy as np
import pytest

from meshgait.data.table import Coded, Sequence, SequenceTable, coded

NAMES = [
    "a", "", "nm-01", "0", "00", "a-very-long-name-of-a-condition", "Zoë", "zo", "日本", "a-very-long-name-of-b",
    "nm-1",
]  # fmt: skip


def written(path, rows, newline="\n", last="\n"):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator=newline)
        writer.writerow(Sequence._fields)
        writer.writerows(rows)
    path.write_bytes(path.read_bytes().removesuffix(newline.encode()) + last.encode())
    return SequenceTable.read(path)


def walks(count, names=NAMES, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 3000, count)
    starts = np.cumsum(lengths) - lengths
    return [
        Sequence(*(names[k] for k in rng.integers(len(names), size=3)), int(start), int(length))
        for start, length in zip(starts, lengths, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "newline", "last"),
    [(NAMES, "\n", "\n"), (NAMES, "\n", ""), (NAMES, "\r\n", "\r\n"), ([*NAMES, 'Anna, "A"'], "\n", "\n")],
    ids=["plain", "no last newline", "of Windows", "quoted"],
)
def test_rows_are_those_of_the_file(tmp_path, names, newline, last):
    rows = walks(5000, names)
    table = written(tmp_path / "sequences.csv", rows, newline, last)
    assert len(table) == 5000
    assert list(table) == rows == table  # over more than a block
    assert [table[0], table[-1], table[4321]] == [rows[0], rows[-1], rows[4321]]
    assert table[10:14] == rows[10:14] and next(reversed(table)) == rows[-1]
    assert table.start.tolist() == [row.start for row in rows]
    assert table.frames.tolist() == [row.frames for row in rows]
    with pytest.raises(IndexError):
        table[5000]
    assert pickle.loads(pickle.dumps(table)) == rows


@pytest.mark.parametrize("field", ["subject", "condition", "view"])
def test_columns_are_numbers_into_sorted_names(tmp_path, field):
    rows = walks(3000)
    values = [getattr(row, field) for row in rows]
    names, codes = written(tmp_path / "sequences.csv", rows).coded(field)
    assert names.tolist() == sorted(set(values))
    assert [names[code] for code in codes] == values
    by_rows = coded(rows, field)
    assert by_rows.names.tolist() == names.tolist() and by_rows.codes.tolist() == codes.tolist()
    assert Coded.of(iter(values)).codes.tolist() == codes.tolist()


@pytest.mark.parametrize(
    "line",
    ["a,b,c,0", "a,b,c,0,1,2", "a,b,c,0,1\nb,c,d,1\n", "a,b,c,x,1", "a,b,c,-1,1", "a,b,c,,1", "a,b,c,1,1.5",
     "a,b,c,0,1" + 20 * "0", "a,b,c\n0,1,d,e,0,1", f"a,{'b' * 256},c,0,1", f"{'走' * 86},b,c,0,1",
     '"a",b,c,0', '"a",b,c,0,one'],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path, line):
    (tmp_path / "sequences.csv").write_text("subject,condition,view,start,frames\n" + line)
    with pytest.raises(ValueError, match=r"sequences\.csv"):
        SequenceTable.read(tmp_path / "sequences.csv")


def test_a_table_without_rows_is_empty(tmp_path):
    table = written(tmp_path / "sequences.csv", [])
    assert len(table) == 0 and list(table) == [] and len(table.coded("view").names) == 0
