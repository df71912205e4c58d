"""Old name of `meshgait.data.loaded_sequence`, which scripts of users import; it goes with the next release."""

from meshgait.data.loaded_sequence import BrokenSequence

__all__ = ["BrokenSequence"]
