"""The verb `pack`."""

import numpy as np
import pytest

from meshgait.cli import main
from meshgait.data.store import Store
from meshgait.errors import ConfigError, DataError, StoreError
from meshgait.tools.pack import pack


def test_packs_and_says_what(tmp_path, capsys):
    for name in ("Gal", "PrbA"):
        sil = np.zeros((2, 10, 32, 22), np.uint8)
        sil[..., 8:14] = 1
        np.savez(tmp_path / f"{name}.npz", sil=sil, label=np.array([1, 2]))
    pack("usf", tmp_path, tmp_path / "store", bits=1)
    assert Store(tmp_path / "store").bits == 1
    assert "2 subjects, 4 sequences, 40 frames" in capsys.readouterr().out
    with pytest.raises(StoreError, match="already exists"):
        pack("usf", tmp_path, tmp_path / "store")
    arguments = ["pack", "usf", str(tmp_path), str(tmp_path / "large"), "--size", "128", "88", "--no-crop"]
    assert main(arguments) == 0
    assert Store(tmp_path / "large").size == (128, 88)
    assert not Store(tmp_path / "large").meta["source"]["crop"]


def test_command_line_errors_are_one_line(tmp_path, capsys):
    for words in (
        ["casia", str(tmp_path), "x"],
        ["usf", str(tmp_path)],
        ["usf", str(tmp_path), str(tmp_path / "x")],
    ):
        assert main(["pack", *words]) == 2
        error = capsys.readouterr().err
        assert error.startswith("meshgait: ")
        assert error.count("\n") == 1


def test_wrong_arguments(tmp_path):
    with pytest.raises(ConfigError, match="there are usf"):
        pack("casia", tmp_path, tmp_path / "store")
    with pytest.raises(ConfigError, match="size is"):
        pack("usf", tmp_path, tmp_path / "store", size=(0, 44))
    with pytest.raises(DataError, match=r"lacks Gal\.npz"):
        pack("usf", tmp_path, tmp_path / "store")
    assert not list(tmp_path.iterdir())
