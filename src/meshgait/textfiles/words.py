"""Text that others wrote, in messages, names and tables: what is safe to print or to write."""

from __future__ import annotations

import re

BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that break a line, steer a terminal, or are no text at all (half a pair, bytes that are no UTF-8)."""
FORMULA = ("=", "+", "-", "@")


LONGEST_NAME = 255
"""Bytes of a name at most: what a folder may be called."""


def name_fault(name: str) -> str:
    """What is wrong with a name of a subject, condition or view, and the remedy; empty if it can be used."""
    if re.search(r"[\ud800-\udfff]", name):
        return (
            "is no UTF-8, as in archives made under Windows; convert the names (`convmv -f gbk -t utf8 -r "
            "--notest FOLDER`, with the encoding that they have) or unpack the archive by `unzip -O gbk`"
        )
    if BREAKING.search(name):
        return "holds a line break or control character, which would break tables and pages; rename it"
    if len(name.encode()) > LONGEST_NAME:
        return f"has {len(name.encode())} bytes, more than the {LONGEST_NAME} of a folder's name; shorten it"
    return ""


def spreadsheet_cell(cell: object) -> object:
    """A cell of a CSV file that people open in a spreadsheet, where text that looks like a formula would be run.

    Such text gets an apostrophe before it; numbers stay as they are.
    """
    if not isinstance(cell, str) or not cell.lstrip().startswith(FORMULA):
        return cell
    try:
        float(cell)
        return cell
    except ValueError:
        return f"'{cell}"
