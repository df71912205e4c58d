"""Names that rich or a terminal would obey are printed as they are."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from meshgait.progress import Progress
from meshgait.terminal import PlainTable, console, say

NAMES = ("[red]x[/red]", "[/]", "[link=http://example.org]x", ":smile:", "a[b", "=1+1", "@x", "-rf", "人")
HOSTILE = "\x1b[2J\x1b]0;title\x07"
SHOWN = r"\x1b[2J\x1b]0;title\x07"


def table(*names):
    made = PlainTable(names[0], "b", title=names[0])
    for name in names:
        made.add_row(name, name)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_names_are_no_markup(name, capsys):
    say(name)
    console().print(name)
    console().print(table(name))
    found = capsys.readouterr().out
    assert found.splitlines()[:2] == [name, name]
    assert found.count(name) == 6  # two lines; title, head and two cells


def test_control_characters_are_shown(capsys):
    say(HOSTILE)
    say(HOSTILE, sys.stderr)
    console().print(HOSTILE)
    console().print(table(HOSTILE))
    found = capsys.readouterr()
    assert "\x1b" not in found.out + found.err
    assert found.out.count(SHOWN) == 6 and found.err == SHOWN + "\n"


def test_a_line_end_in_a_name_makes_no_second_line(capsys):
    say("a\nmeshgait: all is well\r")
    assert capsys.readouterr().out == "a\\nmeshgait: all is well\\r\n"


def test_a_notebook_shows_names_as_they_are():
    """A notebook draws with rich's own console; its HTML would hold a link as it was written."""
    name = "[link=javascript:alert(1)]x[/link]"
    page = io.StringIO()
    shown = Console(file=page, record=True, width=200)
    shown.print(table(name, "<b>"))
    html = shown.export_html(inline_styles=True)
    assert "<a" not in html and "<b>" not in html and name in html


def test_progress_shows_names_as_they_are(capsys, monkeypatch):
    terminal = Console(file=io.StringIO(), force_terminal=True, force_interactive=True, width=100)
    monkeypatch.setattr("meshgait.progress.Console", lambda: terminal)
    with Progress("[/]", 10) as progress:
        progress.advance(1, f"[red]{HOSTILE}")
        progress._bar.refresh()
    assert f"[/] ([red]{SHOWN})" in terminal.file.getvalue()


def test_any_name_can_be_written_in_any_encoding():
    code = "from meshgait.terminal import say, console; say('人'); console().print('人')"
    command = [sys.executable, "-X", "utf8=0", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONIOENCODING": "ascii"} | _path())
    assert (done.returncode, done.stdout) == (0, "\\u4eba\n\\u4eba\n"), done.stderr


def _path():
    return {"PYTHONPATH": ":".join(sys.path)}
