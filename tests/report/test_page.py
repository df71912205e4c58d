"""The page as text: whole, escaped, and without a word to the network."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs

from meshgait.errors import OutputError
from meshgait.report.blocks import Section, Table
from meshgait.report.folder import read_runs
from meshgait.report.page import make, render, soft, write
from tests.report.runs import make_run, record

VOID = {"meta", "link", "img", "source", "input", "wbr", "br"}
NASTY = "<script>alert('&')</script>"


class Reader(HTMLParser):
    """Checks that tags are closed in order, and collects what a test asks about."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of stage 1, of stage 2, and of stage 2 with little in its folder."""
    root = tmp_path_factory.mktemp("runs")
    folders = [
        make_run(root / "pretrain", stage=1),
        make_run(root / "finetune"),
        make_run(root / "old", uses_3d=False, without=("history.jsonl", "evaluation.npz", "pictures")),
    ]
    return read_runs(folders)


@pytest.fixture(scope="module")
def text(runs):
    return make(runs)


@pytest.fixture(scope="module")
def page(text):
    return Reader(text)


def test_all_sections_are_there_in_order_and_linked(page):
    sections = [attrs["id"] for attrs in page.all("section")]
    assert sections == [
        "runs",
        "results",
        "cmc",
        "det",
        "views",
        "embeddings",
        "training",
        "gallery",
        "meshes",
        "settings",
    ]
    assert [attrs["href"] for attrs in page.all("a")] == [f"#{name}" for name in sections]
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(attrs["aria-labelledby"] in ids for attrs in page.all("section"))


def test_nothing_is_asked_of_the_network(page, text):
    for _, attrs in page.tags:
        for name in ("src", "srcset", "href", "data", "poster", "action"):
            if name in attrs:
                assert attrs[name].startswith(("data:", "#")), attrs[name][:80]
    (policy,) = [attrs["content"] for attrs in page.all("meta") if "http-equiv" in attrs]
    assert policy.startswith("default-src 'none'") and "http" not in policy
    assert "@import" not in text and "url(" not in text
    assert not page.all("iframe") and not page.all("object")


def test_every_picture_says_what_it_shows(page):
    images = page.all("img")
    assert len(images) > 10
    assert all(len(attrs["alt"]) > 15 for attrs in images)
    dark = [attrs for attrs in page.all("source") if attrs["media"] == "(prefers-color-scheme: dark)"]
    assert len(dark) == sum(attrs["src"].startswith("data:image/svg+xml") for attrs in images)


def test_tables_are_tables(page):
    assert len(page.all("table")) >= 6
    heads = page.all("th")
    assert {attrs["scope"] for attrs in heads} == {"row", "col", "colgroup"}


def test_figures_of_all_runs_are_there(page):
    words = " ".join("".join(page.text).split())
    assert "old: not in this page: training curves (history.jsonl is not there); CMC and DET" in words
    assert "finetune, nm" in words and "43.2" in words and "80.0" in words
    assert "mated" in words and "Settings in which the runs differ" in words


def test_plotly_is_packed_once_and_meshes_are_readable(page, text):
    (packed,) = re.findall(r'<script type="application/gzip" id="plotly">([^<]+)</script>', text)
    assert gzip.decompress(base64.b64decode(packed)).decode() == get_plotlyjs()
    figures = re.findall(r'<script type="application/json" data-figures="([^"]+)">(.*?)</script>', text)
    assert [key for key, _ in figures] == ["mesh-0", "mesh-1"]  # old has no 3D branch
    assert [len(json.loads(content)) for _, content in figures] == [3, 3]
    assert len(text.encode()) < 6e6


def test_without_meshes_there_is_no_plotly(runs):
    text = make(runs[2:])
    assert 'id="plotly"' not in text and len(text.encode()) < 1e6
    Reader(text)


def test_all_text_is_escaped(tmp_path):
    """Names come from folders, stores and files of others."""
    folder = make_run(tmp_path / "<b>run", without=("evaluation.npz", "pictures"), store=NASTY, hash=NASTY)
    for file in ("metrics.json", "config.yaml"):
        content = json.loads((folder / file).read_text())
        content[NASTY] = {NASTY: NASTY}
        content.setdefault("figures", {})[f"val/rank1_{NASTY}"] = 1.0
        content["machine"] = content["protocol"] = NASTY
        content["cells"] = {NASTY: {"probe_views": [NASTY], "gallery_views": [NASTY], "rank1": [[1.0]]}}
        (folder / file).write_text(json.dumps(content))
    lines = [{"step": step, NASTY: step} for step in range(3)]
    (folder / "history.jsonl").write_text("\n".join(map(json.dumps, lines)))
    record(conditions=(NASTY,)).write(folder / "evaluation.npz")
    text = make(read_runs([folder]))
    assert NASTY not in text and "<script>alert" not in text and "<b>" not in text
    page = Reader(text)
    assert sum(NASTY in part for part in page.text) > 3  # said, not run
    # ours alone: data of meshes, options, plotly, the script
    assert len(page.all("script")) == 4


def test_long_names_may_break():
    assert soft("a.b_c/d 1.5 <x>") == "a.<wbr>b_<wbr>c/<wbr>d 1.<wbr>5 &lt;x&gt;"


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    write(tmp_path / "deep" / "report.html", "text")
    assert (tmp_path / "deep" / "report.html").read_text() == "text"
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "report.html", tmp_path / "deep"):
        with pytest.raises(OutputError, match="choose another place"):
            write(place, "text")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "file", "report.html"]


def policy(text):
    (content,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    return dict(part.strip().split(" ", 1) for part in content.split(";"))


def test_the_policy_names_the_scripts_that_may_run(text, runs):
    """By their hashes, computed here from what the page holds."""
    rules = policy(text)
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    ours = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (packed,) = re.findall(r'id="plotly">([^<]*)<', text)
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in (*(one.encode() for one in ours), gzip.decompress(base64.b64decode(packed)))
    }
    assert set(rules["script-src"].split()) == hashes | {"'unsafe-eval'"} and len(hashes) == 2
    assert policy(render([], ["a"]))["script-src"] == "'none'"


def test_names_that_no_page_can_hold_are_shown_as_escapes(tmp_path):
    names = ("a\udc80", "\x1b[2J", "\u202e", "b\0")
    sections = [Section("a", name, [name], [Table(name, (name,), [(name, name)], words=True)]) for name in names]
    write(tmp_path / "page.html", render(sections, names))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not set(page) & set("\x1b\u202e\0")
    assert page.count("a\\udc80") > 5
