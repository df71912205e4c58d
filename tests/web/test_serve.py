"""The verb `serve`: its address, its token, its end."""

import socket

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from meshgait.cli import main  # noqa: E402


@pytest.fixture
def interrupted(monkeypatch):
    """The server is ended by Ctrl-C at once."""

    def run(self, sockets):
        assert sockets[0].getsockname()[0] in ("127.0.0.1", "0.0.0.0")
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", run)


def test_the_address_has_a_new_token_each_time_and_ctrl_c_is_no_error(interrupted, tmp_path, capsys):
    tokens = set()
    for _ in range(2):
        assert main(["serve", "--gallery", str(tmp_path / "g"), "--port", "0"]) == 0
        said = capsys.readouterr()
        first, *_, last = said.out.splitlines()
        address, _, token = first.removeprefix("open ").partition("/?token=")
        assert address.startswith("http://127.0.0.1:") and len(token) >= 32 and said.err == ""
        assert last.startswith("stopped")
        tokens.add(token)
    assert len(tokens) == 2 and not (tmp_path / "g").exists()


def test_other_computers_are_let_in_with_a_warning(interrupted, tmp_path, capsys):
    assert main(["serve", "--gallery", str(tmp_path / "g"), "--port", "0", "--host", "0.0.0.0"]) == 0
    assert "nothing is encrypted" in capsys.readouterr().err


def test_a_port_that_is_taken_or_none_is_one_line(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (taken.getsockname()[1], 70_000):
            assert main(["serve", "--gallery", str(tmp_path / "g"), "--port", str(port)]) == 2
            said = capsys.readouterr().err
            assert "cannot be used" in said and "--port 0" in said and said.count("\n") == 1


def test_a_file_that_is_no_gallery_is_said_before_anything(tmp_path, capsys):
    (tmp_path / "g").write_bytes(b"no gallery" * 900)
    assert main(["serve", "--gallery", str(tmp_path / "g"), "--port", "0"]) == 2
    said = capsys.readouterr()
    assert "no gallery" in said.err and "http" not in said.out


@pytest.mark.parametrize("most", ["0", "-1", "nan", "inf"])
def test_limits_are_numbers(tmp_path, capsys, most):
    assert main(["serve", "--gallery", str(tmp_path / "g"), f"--most-megabytes={most}"]) == 2
    assert "--most-megabytes" in capsys.readouterr().err
