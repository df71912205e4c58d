import os

from meshgait import memory


def test_large_pages_are_asked_for_and_a_users_choice_is_kept(monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))  # as on a Mac: nothing else to set
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    memory.keep_memory()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    memory.keep_memory()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
