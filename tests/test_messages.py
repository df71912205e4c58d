import pytest

from meshgait.cli import main
from meshgait.messages import MOST, say


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "a\u202eb", "\x9b31m", "\udcff", "\u2066"])
def test_nothing_that_a_terminal_would_obey_is_printed(text, capsys):
    say(text)
    line = capsys.readouterr().err.removesuffix("\n")
    assert line.isprintable() and "\\" in line


def test_plain_words_stay_as_they_are_on_one_line(capsys):
    say("Grüße,\n 歩行  者")
    assert capsys.readouterr().err == "meshgait: Grüße, 歩行 者\n"


def test_a_name_as_long_as_a_file_is_cut(capsys):
    say("x" * 99_999, "note")
    assert capsys.readouterr().err == f"meshgait: note: {'x' * MOST} ...\n"


def test_errors_are_printed_so(capsys):
    assert main(["compare", "no\x1b[31m such run"]) == 2
    assert "\x1b" not in capsys.readouterr().err
