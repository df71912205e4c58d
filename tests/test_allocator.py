import os
from types import SimpleNamespace

import pytest

from meshgait import allocator


@pytest.fixture
def told(monkeypatch):
    """What the allocator is told, in place of telling it."""
    options = {}
    library = SimpleNamespace(mallopt=options.__setitem__)
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("glibc", "2.36"))
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    return options


def test_large_pages_are_asked_for_and_a_users_choice_is_kept(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))  # as on a Mac: nothing else to set
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    allocator.reuse_freed_memory()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    allocator.reuse_freed_memory()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"


def test_freed_memory_is_kept_unless_the_user_says_otherwise(told, monkeypatch):
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    allocator.reuse_freed_memory()
    assert told == {-1: 2**31 - 1, -4: 0}
    told.clear()
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1048576")
    allocator.reuse_freed_memory()
    assert told == {}
