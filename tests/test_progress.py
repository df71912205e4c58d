import io

import pytest
from rich.console import Console

from meshgait import progress
from meshgait.progress import Progress, duration, track


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    hands = {"now": 100.0}
    monkeypatch.setattr("time.monotonic", lambda: hands["now"])
    return hands


@pytest.fixture
def screen(monkeypatch):
    """A terminal, and what was sent to it."""
    sent = io.StringIO()
    monkeypatch.setattr(
        progress, "Console", lambda: Console(file=sent, force_terminal=True, width=100, _environ={})
    )
    return sent


def test_a_log_file_has_a_line_each_tenth_of_the_way(capsys, clock):
    for _ in track(range(1000), "packing", 1000, "walks"):
        clock["now"] += 0.3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0] == "packing: 100 of 1000 walks, 4.5 min left"
    assert lines[-1] == "packing: 1000 of 1000 walks in 5.0 min"


def test_what_is_done_in_a_moment_is_not_told(capsys, clock):
    assert list(track("abc", "packing", 3)) == ["a", "b", "c"]
    with Progress("a", 100) as quick:
        for _ in range(100):
            clock["now"] += 0.06
            quick.advance()
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["40", "80"]


def test_time_left_counts_what_this_run_has_done(capsys, clock):
    """80 of 100 were there already, so ten in 20 s mean 20 s more."""
    with Progress("walkers", 100, "sequences", done=80) as resumed:
        clock["now"] += 20
        resumed.advance(10, "second half")
    assert capsys.readouterr().out == "walkers (second half): 90 of 100 sequences, 20 s left\n"


def test_silence(capsys, clock, screen):
    with Progress("a", 10, show=False) as silent:
        clock["now"] += 20
        silent.advance(10)
    assert capsys.readouterr().out == screen.getvalue() == ""


def test_a_terminal_has_a_bar_that_goes_when_it_is_done(capsys, screen):
    with Progress("packing", 10, "walks") as bar:
        bar.reach(5, "the second half")
    sent = screen.getvalue()
    assert "packing (the second half)" in sent and "5/10" in sent
    assert sent.rstrip().endswith("\x1b[2K")  # the line is erased
    assert capsys.readouterr().out == ""


def test_a_failure_ends_the_bar(screen):
    with pytest.raises(ZeroDivisionError), Progress("packing", 10) as bar:
        raise ZeroDivisionError
    assert not bar._bar.live.is_started


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (100, "1.7 min"), (5399, "90.0 min"), (7200, "2.0 h")]
)
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
