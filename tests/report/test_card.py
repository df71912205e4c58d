import re
from importlib.resources import files

import pytest
import yaml

from meshgait.report.card import as_text, recognition_rows, render

DESCRIPTION = {
    "version": "0.1.0",
    "stage": "RecogniseStage",
    "settings": {"size": {"frame": [64, 44]}},
    "needs": {},
    "weights": {"values": 12345},
    "training": {"step": 10, "subjects": 4},
}
EMBED = {"network.embed.weight": (20, 64, 128)}


def test_rows_are_conditions_in_their_order_and_gaps_are_shown():
    figures = {
        "val/rank1_bg": 81.26,
        "gei/rank1_bg": 50.0,
        "val/rank1": 80.0,
        "val/mean_inp_nm": 7.0,
        "val/rank1_nm": 90.0,
    }
    assert recognition_rows(figures) == [
        ("bg", ["81.3", "-", "-", "-", "50.0"]),
        ("nm", ["90.0", "-", "-", "7.0", "-"]),
    ]
    assert recognition_rows({}) == []


@pytest.mark.parametrize("more", [{}, {"onnx": {"sha256": "0"}}], ids=str)
def test_a_card_can_be_read_by_the_hub_and_has_no_holes(more):
    card = render("walker", {**DESCRIPTION, **more}, EMBED)
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "other" and "biometrics" in front["tags"]
    assert "# walker\n" in card and "20 vectors of 128 numbers" in card and "12345" in card
    assert ("model.onnx" in card) is bool(more)
    assert "None are known" in card and "not known" in card  # where the run says nothing, so does the card
    assert not {"{{", "{%", "None |", "Undefined"} & set(card.split())
    assert "| None |" not in card


def test_a_licensed_body_is_asked_for():
    needs = {"body": {"name": "smpl.npz", "sha256": "a" * 64}, "markers": {"name": "m.npz", "sha256": "b" * 64}}
    card = render("walker", {**DESCRIPTION, "needs": needs}, EMBED)
    assert "--body" in card and "smpl.npz" in card and "a" * 12 in card and "--markers" in card
    assert "and that of the body model" in card
    assert "--body" not in render("walker", DESCRIPTION, EMBED)


def test_the_first_stage_recognises_nobody():
    card = render("first", {**DESCRIPTION, "stage": "ReconstructStage"}, {"network.lifter.head": (88, 9)})
    assert "Reconstructs 3D" in card and "Compare two sequences" not in card and "classifier" not in card


def test_templates_of_people_are_warned_of():
    card = render("walker", DESCRIPTION, {**EMBED, "network.classify.weight": (20, 128, 4)})
    assert "one vector for each of the 4 people" in card and "left out" not in card


NAMES = (
    "[x](https://example.org)", "![x](https://example.org/p.png)", "<script>alert(1)</script>", "a | b | c",
    "x\n---\nlicense: mit\n---\n# y", "`</code>", "*x* _y_", "www.example.org", "https://example.org", "a\x1b[2J",
    "@name", "- x", "# x", "{{ 7 * 7 }}", "z" * 9999, "$x$", "~~~", "|`|`", "\\`", "&lt;b&gt;",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text_alone(name):
    """In an independent reading of Markdown, everything that came from outside is text or code."""
    markdown = pytest.importorskip("markdown_it")
    training = {key: name for key in ("protocol", "data", "seed", "version", "git", "machine")}
    training |= {"step": 1, "subjects": 4, "figures": {f"val/rank1_{name}": 50.0}}
    needs = {"body": {"name": name, "sha256": name * 9}}
    hostile = {**DESCRIPTION, "stage": name, "version": name, "needs": needs, "training": training}
    plain = render("walker", {**DESCRIPTION, "needs": needs, "training": PLAIN_TRAINING}, EMBED)
    card = render(name, hostile, EMBED)
    assert card.split("# ")[0] == plain.split("# ")[0]  # front matter
    read = markdown.MarkdownIt("gfm-like", {"linkify": False})
    kinds, wanted = (
        {part.type for token in read.parse(text.split("---\n", 2)[2]) for part in (token, *(token.children or ()))}
        for text in (card, plain)
    )
    assert kinds <= wanted | {"code_inline"}
    outside = re.sub(r"```.*?```|`[^`]*`", "", card, flags=re.DOTALL)  # sites make links of bare addresses
    assert not re.search(r"://|www\.|@", outside)
    rows, expected = (text.count("\n") for text in (card, plain))
    assert rows == expected
    assert {line.count("|") for line in card.splitlines() if line.startswith("| `") or line.startswith("| z")} <= {
        3,
        7,
    }


PLAIN_TRAINING = {"step": 1, "subjects": 4, "figures": {"val/rank1_nm": 50.0}}


def test_usual_values_are_not_decorated():
    for value in (
        "walkers",
        "AMD EPYC 7B13, 2 cores",
        "Intel(R) Xeon(R), 4 cores",
        "0.1.0",
        12,
        81.3,
        "-",
        "人",
        "",
    ):
        assert as_text(value) == str(value)


def test_template_has_no_expression_in_its_head():
    head = (files("meshgait.report") / "assets" / "model-card.md").read_text().split("---\n")[1]
    assert "{" not in head
