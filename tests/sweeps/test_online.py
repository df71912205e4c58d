import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from meshgait.errors import ConfigError
from meshgait.sweeps.online import run_online


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Neither login nor settings of the user that runs the tests."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_SILENT", "true")


def test_a_server_that_cannot_be_reached_is_named(alone, monkeypatch, read, content):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"http://127.0.0.1:9 .*refused.*leave --online away"):
        run_online(read(content), 1)


class Answer(BaseHTTPRequestHandler):
    """A server that knows nobody."""

    def do_GET(self):
        self.send_response(404)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


def test_without_a_login_it_says_how_to_get_one(alone, monkeypatch, read, content):
    import wandb

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    wandb.teardown()  # settings are read anew
    try:
        with pytest.raises(ConfigError, match=r"wandb login.*leave --online away"):
            run_online(read(content), 1)
    finally:
        wandb.teardown()
        server.shutdown()
