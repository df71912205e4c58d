import json

import pytest

from meshgait.report.folder import read_runs
from meshgait.report.page import make
from meshgait.report.privacy import without_secrets
from tests.report.runs import make_run


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/home/alice/data/casia", "~/data/casia"),
        ("/Users/alice/data", "~/data"),
        (r"C:\Users\alice\data", r"~\data"),
        ("/root/data", "~/data"),
        ('["/home/alice/a", "/home/bob/b"]', '["~/a", "~/b"]'),
        ("postgresql+psycopg://me:secret@host/name", "postgresql+psycopg://host/name"),
        ("https://token@example.org/x", "https://example.org/x"),
        ("data/root/home/walkers", "data/root/home/walkers"),
        ("file:///home/alice/x", "file://~/x"),
        ("data/home/alice", "data/home/alice"),
        ("/mnt/data/casia", "/mnt/data/casia"),
        ("0.001", "0.001"),
    ],
)
def test_who_and_secrets_are_left_out(value, shown):
    assert without_secrets(value) == shown


def test_the_home_of_this_user_is_left_out(monkeypatch):
    monkeypatch.setenv("HOME", "/srv/people/alice")
    assert without_secrets("/srv/people/alice/data") == "~/data"
    assert without_secrets("/srv/people/alice-b/data") == "/srv/people/alice-b/data"
    monkeypatch.setenv("HOME", "/")
    assert without_secrets("/srv/people/alice/data") == "/srv/people/alice/data"


def test_values_of_secrets_are_not_shown():
    for name in ("trainer.logger.api_key", "wandb.token", "x.PASSWORD", "client_secret"):
        assert without_secrets("abc", name) == "(not shown)"
    assert without_secrets("null", "api_key") == "null"
    assert without_secrets("abc", "data.tokens_kept") == without_secrets("abc", "model.key") == "abc"


def test_no_page_tells_them(tmp_path):
    folders = [make_run(tmp_path / name, store=f"/home/alice-{name}/walkers", hash=name) for name in "ab"]
    for folder in folders:
        settings = json.loads((folder / "config.yaml").read_text())
        settings["trainer"] |= {"logger": {"api_key": "0123abcd"}, "url": "https://me:secret@example.org"}
        (folder / "config.yaml").write_text(json.dumps(settings))
    page = make(read_runs(folders)).replace("<wbr>", "")
    assert not [word for word in ("alice", "0123abcd", "secret@", "me:secret") if word in page]
    assert "~/walkers" in page and "(not shown)" in page
