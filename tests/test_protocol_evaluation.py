"""`meshgait.evaluate`: embeddings of any system by a protocol, against counting by hand and the command."""

import json

import numpy as np
import pytest
import torch

import meshgait
from meshgait.cli import main
from meshgait.errors import ConfigError, DataError


def columns(people=3, conditions=("nm-01", "nm-05", "bg-01"), views=("000", "090")):
    rows = [(str(p), c, v) for p in range(people) for c in conditions for v in views]
    return (np.array(column) for column in zip(*rows, strict=True))


def random_embeddings(count, strips=2, dim=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, strips, dim)).astype(np.float32)


def test_a_custom_csv_equals_counting_by_hand(tmp_path):
    labels, conditions, views = columns()
    vectors = random_embeddings(len(labels))
    gallery = conditions == "nm-01"
    rows = [
        f"{s},{c},{v},{'gallery' if c == 'nm-01' else 'probe'}"
        for s, c, v in zip(labels, conditions, views, strict=True)
    ]
    (tmp_path / "own.csv").write_text("\n".join(["subject,condition,view,role", *rows]))
    scores = meshgait.evaluate(vectors, labels, conditions, views, str(tmp_path / "own.csv"))
    right = 0
    for probe in np.flatnonzero(~gallery):
        distances = [
            np.linalg.norm(vectors[probe] - vectors[other], axis=-1).mean() for other in range(len(labels))
        ]
        nearest = min(np.flatnonzero(gallery), key=lambda other: distances[other])
        right += labels[nearest] == labels[probe]
    assert scores["probe"].rank1 == pytest.approx(100 * right / (~gallery).sum())
    assert 0 < right < (~gallery).sum()


def test_the_command_says_the_same(tmp_path):
    labels, conditions, views = columns(4, ("nm-01", "nm-02", "nm-05", "cl-01"), ("000", "036", "090"))
    vectors = random_embeddings(len(labels), seed=1)
    np.savez(
        tmp_path / "e.npz", embeddings=vectors.transpose(0, 2, 1), labels=labels, types=conditions, views=views
    )
    main(["evaluate", str(tmp_path / "e.npz"), "--protocol", "casia-b", "--json", str(tmp_path / "s.json")])
    told = json.loads((tmp_path / "s.json").read_text())
    scores = meshgait.evaluate(torch.from_numpy(vectors), labels, conditions, views, "casia-b")
    assert scores.keys() == told["rank1"].keys() == {"nm", "cl"}
    for name, score in scores.items():
        assert told["rank1"][name] == pytest.approx(score.rank1)
        assert told["cells"][name]["rank1"] == score.cells.tolist()


def test_vectors_without_strips_are_one_strip():
    labels, conditions, views = columns()
    flat = random_embeddings(len(labels), strips=1)
    both = [meshgait.evaluate(x, labels, conditions, views, metric="cosine") for x in (flat, flat[:, 0])]
    assert both[0]["nm"].rank1 == both[1]["nm"].rank1


def test_columns_of_another_length_and_unknown_protocols_are_refused():
    labels, conditions, views = columns()
    vectors = random_embeddings(len(labels))
    with pytest.raises(DataError, match="17 labels for 18 embeddings"):
        meshgait.evaluate(vectors, labels[1:], conditions, views)
    with pytest.raises(ConfigError, match="casia-b"):
        meshgait.evaluate(vectors, labels, conditions, views, "casia")
    with pytest.raises(ConfigError, match="not public"):
        meshgait.evaluate(vectors, labels, conditions, views, "grew")
