"""The model that comes with the package: it loads, holds nobody's template, and does what its card says."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import meshgait
from benchmarks.weights_card import SMALL
from benchmarks.zero_shot import network, walker_rates
from meshgait.recogniser import PRETRAINED
from meshgait.synthetic.generate import generate
from tests.data.trees import figure


def figures(table):
    """Rank-1 of the model by column, as its card says."""
    card = (PRETRAINED / "README.md").read_text()
    lines = re.search(
        rf"^\| {table} \| (.+) \|\n.+\n(?:\| GEI .+\n)?\| this model \| (.+) \|$", card, re.M
    ).groups()
    names, values = (line.split(" | ") for line in lines)
    return dict(zip(names, map(float, values), strict=True))


def test_it_is_loaded_without_an_argument():
    model = meshgait.load()
    walk = np.stack([figure(step, shift=3 * step) for step in range(6)])
    found = model.embed([walk, walk[::-1].copy()])
    assert found.shape == (2, model.network.size.strips + model.network.size.posture_parts, found.shape[2])
    assert np.isfinite(found).all()
    assert model.reconstruct(walk).joints.shape == (6, 24, 3)


def test_it_is_small_and_holds_no_template_of_anybody():
    file = PRETRAINED / "model.safetensors"
    assert file.stat().st_size <= 8e6
    weights = load_file(file)
    assert not any("classify" in name for name in weights)
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float16}


def test_it_does_on_walkers_what_its_card_says(tmp_path):
    generate(tmp_path / "store", SMALL, progress=False)
    for mirror, table in ((False, "small walkers"), (True, "small walkers, mirrored")):
        found = walker_rates(tmp_path / "store", network(str(PRETRAINED)), mirror)[""]
        assert found == pytest.approx(figures(table), abs=0.1)
