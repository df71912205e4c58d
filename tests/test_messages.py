import pytest

from meshgait.cli import main
from meshgait.messages import printable


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "a\u202eb", "\x9b31m", "\udcff", "\u2066"])
def test_nothing_that_a_terminal_would_obey_is_printed(text):
    assert printable(text).isprintable() and "\\" in printable(text)


def test_plain_words_stay_as_they_are_on_one_line():
    assert printable("Grüße,\n 歩行  者") == "Grüße, 歩行 者"


def test_errors_are_printed_so(capsys):
    assert main(["evaluate", "no\x1b[31m such run"]) == 2
    assert "\x1b" not in capsys.readouterr().err
