import pytest
import yaml

from meshgait.report.card import recognition_rows, render

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
