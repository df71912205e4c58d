"""What of a run's settings does not belong on a page that is handed on: who its user is, and secrets."""

from __future__ import annotations

import re
from pathlib import Path

BEGINS, ENDS = r"(?<![\w.~-])", r"(?![\w.-])"
HOMES = re.compile(rf"({BEGINS}/(home|Users)/|\b[A-Za-z]:\\+Users\\+)[^/\\\s,:;\"']+|{BEGINS}/root{ENDS}")
CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"']+@")
SECRETS = re.compile(r"(^|[._-])(api_?key|token|password|passwd|secret)s?$", re.IGNORECASE)


def without_secrets(value: str, name: str = "") -> str:
    """A setting as it may be shown: homes as ``~``, no user or password in addresses, no value of a secret's name.

    Args:
        value: the setting.
        name: what it is called, with dots.
    """
    if SECRETS.search(name) and value not in ("null", ""):
        return "(not shown)"
    return CREDENTIALS.sub("", HOMES.sub("~", _without_own_home(value)))


def _without_own_home(text: str) -> str:
    try:
        home = str(Path.home())
    except RuntimeError:  # a user without one
        return text
    return re.sub(f"{BEGINS}{re.escape(home)}{ENDS}", "~", text) if len(home) > 1 else text
