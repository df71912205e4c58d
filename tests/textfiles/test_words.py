"""Names and cells that others wrote."""

import csv
import io

import pytest

from meshgait.text import shown
from meshgait.textfiles.words import name_fault, spreadsheet_cell

BREAKS = ["a\nb", "a\rb", "a\u2028b", "a\u2029b", "a\x85b", "a\x1cb", "a\x00b", "a\x1b[31m", "a\x7f"]


@pytest.mark.parametrize("name", [*BREAKS, "\udce8\udcb5", "a" * 256, "走" * 86])
def test_names_that_break_something_are_faults(name):
    assert name_fault(name)
    assert not any(len(line) < len(shown(name)) for line in shown(name).splitlines())  # one line


@pytest.mark.parametrize(
    "name", ["001", "nm-01", "Zoë", "走" * 85, "a b", "a\u3000b", "نام\u200cها", "=1", "a,b", '"', "😀"]
)
def test_other_names_are_none(name):
    assert name_fault(name) == ""
    # a terminal would show nothing of a joiner, and a wide blank as a plain one
    assert shown(name) == name.replace("\u3000", r"\u3000").replace("\u200c", r"\u200c")


def test_what_is_shown_can_be_printed_and_read_back():
    assert shown("a\nb\x1b[31m\u2028\udce8") == r"a\nb\x1b[31m\u2028\udce8"
    assert shown("x" * 999) == "x" * 300 + " ..."


def test_formulas_are_text_and_numbers_are_numbers():
    cells = ["=1+1", "+x", "-x", "@x", " =x", "-0.5", "+1e-3", "-inf", "x=1", "", -0.5, None, 3]
    expected = ["'=1+1", "'+x", "'-x", "'@x", "' =x", "-0.5", "+1e-3", "-inf", "x=1", "", -0.5, None, 3]
    assert [spreadsheet_cell(cell) for cell in cells] == expected
    text = io.StringIO()
    csv.writer(text).writerow(map(spreadsheet_cell, cells))
    assert not any(cell.startswith("=") for cell in next(csv.reader(io.StringIO(text.getvalue()))))
