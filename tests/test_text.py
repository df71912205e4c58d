import unicodedata

import pytest

from meshgait.text import printable, shortened


def test_what_can_be_seen_stays():
    for text in ("nm-01", "[red]x[/]", "Ärger 人 😀", "a b", r"C:\x", ""):
        assert printable(text) == text


@pytest.mark.parametrize(
    "char", ["\x1b", "\0", "\r", "\n", "\x85", "\u2028", "\u202e", "\u200b", "\x9b", "\udc80", "\x7f"]
)
def test_what_is_obeyed_or_hidden_becomes_an_escape(char):
    shown = printable(f"a{char}b")
    assert shown.isprintable() and shown.startswith("a\\") and shown.endswith("b")
    assert shown.encode("ascii").decode("unicode_escape").encode("utf-16", "surrogatepass") == (
        f"a{char}b".encode("utf-16", "surrogatepass")
    )


def test_no_control_character_is_left():
    everything = "".join(map(chr, range(0x3000))) + "\udfff"
    kinds = {unicodedata.category(char) for char in printable(everything)}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert "\n" in printable(everything, keep="\n")


@pytest.mark.parametrize("longest", [1, 2, 9, 10])
def test_long_names_keep_both_ends(longest):
    text = "abcdefghijklmnop"
    found = shortened(text, longest)
    begin, end = found.split("…")
    assert len(found) == longest and text.startswith(begin) and text.endswith(end)
    assert abs(len(begin) - len(end)) <= 1
    assert shortened(text, 16) == text
