"""A real browser without a display for tests of pages; they are skipped where there is none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PATIENCE = 120_000
"""Milliseconds: machines may be busy."""


@contextmanager
def chromium(*arguments: str) -> Iterator[sync_api.Browser]:
    """Chromium, started with some more arguments."""
    path = os.environ.get("MESHGAIT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium here; install it or set MESHGAIT_CHROMIUM to its program")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", *arguments], timeout=PATIENCE
        )
        yield browser
        browser.close()
