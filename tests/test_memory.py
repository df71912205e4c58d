import os
from pathlib import Path

import pytest
import torch

from meshgait import memory


@pytest.fixture
def options(monkeypatch):
    """What the allocator is told, in place of telling it."""
    told = {}

    class Library:
        def mallopt(self, option, value):
            told[option] = value

        def malloc_trim(self, pad):
            told["trimmed"] = True

    monkeypatch.setattr(memory, "_library", Library)
    monkeypatch.setattr(memory, "_settings", memory.USUAL)
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    return told


def test_large_pages_are_asked_for_and_a_users_choice_is_kept(monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))  # as on a Mac: nothing else to set
    monkeypatch.setattr(memory, "_settings", memory.USUAL)
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    memory.keep_memory()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    memory.keep_memory()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
    with memory.memory_returned():
        pass


def test_a_users_settings_of_malloc_are_kept(options, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "100000")
    memory.keep_memory()
    assert options == {}


@pytest.mark.parametrize("keeps", [True, False])
def test_memory_is_returned_for_a_while(options, keeps):
    if keeps:
        memory.keep_memory()
        assert options == memory.KEPT
    with memory.memory_returned():
        assert options == memory.RETURNED | {"trimmed": True}
    assert options == (memory.KEPT if keeps else memory.USUAL) | {"trimmed": True}


def test_a_freed_block_is_resident_no_more():
    status = Path("/proc/self/status")
    if memory.platform.libc_ver()[0] != "glibc" or not status.is_file():
        pytest.skip("not Linux with glibc")

    def resident():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) >> 10

    memory.keep_memory()
    with memory.memory_returned():
        before = resident()
        blocks = [torch.ones(1 << 20) for _ in range(25)]  # 4 MiB each
        held = resident() - before
        del blocks
        after = resident() - before
    assert held >= 95 and after <= 10
