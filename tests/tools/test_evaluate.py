"""`meshgait evaluate`: the figures of another implementation, files of every form, what is wrong with files."""

import json
import re

import numpy as np
import pytest

from meshgait.cli import main

CASIA = [f"nm-{k:02d}" for k in range(1, 7)] + ["bg-01", "bg-02", "cl-01", "cl-02"]


def make(labels, types, views, dim=4, strips=3, noise=0.8, seed=0):
    """Arrays of a file: every label x type x view around a centre of the label, shuffled."""
    rng = np.random.default_rng(seed)
    rows = [(s, t, v) for s in labels for t in types for v in views]
    rows = [rows[index] for index in rng.permutation(len(rows))]
    centres = {label: rng.normal(size=(dim, strips)) for label in labels}
    embeddings = np.stack([centres[s] + noise * rng.normal(size=(dim, strips)) for s, _, _ in rows])
    columns = (np.array(column) for column in zip(*rows, strict=True))
    return {"embeddings": embeddings.astype(np.float32)} | dict(
        zip(("labels", "types", "views"), columns, strict=True)
    )


def keep(arrays, mask):
    return {name: array[mask] for name, array in arrays.items()}


@pytest.fixture
def score(tmp_path):
    """Write the arrays, run the command, give the JSON."""

    def run(arrays, *words):
        file, out = tmp_path / "given.npz", tmp_path / "out.json"
        if arrays is not None:
            np.savez(file, **arrays)
        assert main(["evaluate", str(file), *map(str, words), "--json", str(out)]) == 0
        return json.loads(out.read_text())

    return run


@pytest.fixture
def refuse(tmp_path, capsys):
    """Write the arrays, run the command, give its error line."""

    def run(arrays, *words):
        file = tmp_path / "given.npz"
        if arrays is not None:
            np.savez(file, **arrays)
        out = tmp_path / "out.json"
        capsys.readouterr()
        assert main(["evaluate", str(file), *map(str, words), "--json", str(out)]) == 2
        assert not out.exists()
        return capsys.readouterr().err.strip().splitlines()[-1]

    return run


def distances(arrays, metric="euclidean"):
    """(N, N) by the definition, in float64."""
    x = arrays["embeddings"].astype(float)
    x = x[:, :, None] if x.ndim == 2 else x
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return 1 - np.einsum("pds,gds->pg", x, x) / x.shape[2]
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(2)).mean(2)


@pytest.mark.parametrize(("short", "metric"), [("euc", "euclidean"), ("cos", "cosine")])
def test_equals_every_reference_figure(shared_data, tmp_path, short, metric):
    file, out = shared_data / "reference" / "casia_b_metrics.npz", tmp_path / "out.json"
    reference = np.load(file, allow_pickle=False)
    results = []
    for protocol in ("casia-b", "casia-b-cross-view"):
        assert main(["evaluate", str(file), "--protocol", protocol, "--metric", metric, "--json", str(out)]) == 0
        results.append(json.loads(out.read_text()))
    single, cross = results
    checked = 0
    for key in reference.files:
        if not key.startswith(short):
            continue
        name = key.rsplit("|", 1)[1].rsplit("/", 1)[-1]
        group = name[:2].lower()
        if "acc_matrix" in key:
            np.testing.assert_array_equal(single["cells"][group]["rank1"], reference[key])
        elif "cross_view" in key:
            found = cross["rank1" if name.endswith("Rank@1") else "mAP"][group]
            assert found == pytest.approx(float(reference[key]), abs=1e-9)
        else:
            assert single["rank1"][group] == pytest.approx(float(reference[key]), abs=1e-9)
        checked += 1
    assert checked == 12


def cells(arrays, gallery, probes, metric="euclidean"):
    """Rank-1 by OpenGait's definition: rounded cells, sums without the diagonal / (V - 1)."""
    between, views = distances(arrays, metric), np.unique(arrays["views"])
    matrix = np.zeros((len(views), len(views)))
    for i, pv in enumerate(views):
        rows = np.flatnonzero(np.isin(arrays["types"], probes) & (arrays["views"] == pv))
        for j, gv in enumerate(views):
            columns = np.flatnonzero(np.isin(arrays["types"], gallery) & (arrays["views"] == gv))
            right = sum(
                arrays["labels"][columns[between[r, columns].argmin()]] == arrays["labels"][r] for r in rows
            )
            matrix[i, j] = round(100 * right / len(rows), 2)
    return matrix, ((matrix.sum(1) - np.diag(matrix)) / (len(views) - 1)).mean()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("first", [1, 75])  # subjects of the training range are scored like others
def test_casia_b_equals_loops(score, metric, first):
    arrays = make([f"{s:03d}" for s in range(first, first + 5)], CASIA, ["000", "018", "090"])
    result = score(arrays, "--protocol", "casia-b", "--metric", metric)
    for group, types in {"nm": CASIA[4:6], "bg": CASIA[6:8], "cl": CASIA[8:]}.items():
        matrix, mean = cells(arrays, CASIA[:4], types, metric)
        np.testing.assert_allclose(result["cells"][group]["rank1"], matrix)
        assert result["rank1"][group] == pytest.approx(mean)
        assert result["cells"][group]["gallery_views"] == ["000", "018", "090"]
    assert 20 < result["rank1"]["nm"] < 100


def test_oumvlp_counts_probes_without_a_mate_as_errors(score, capsys):
    arrays = make([f"{s:05d}" for s in range(2, 20)], ["00", "01"], ["000", "015", "030"], noise=0.3)
    gone = (arrays["labels"] == "00004") & (arrays["types"] == "01")
    gone |= (arrays["labels"] == "00006") & (arrays["types"] == "01") & (arrays["views"] == "015")
    arrays = keep(arrays, ~gone)
    result = score(arrays, "--protocol", "oumvlp")
    matrix, mean = cells(arrays, ["01"], ["00"])
    np.testing.assert_allclose(result["cells"]["nm"]["rank1"], matrix)
    assert result["rank1"] == pytest.approx(mean)
    assert matrix[0, 0] <= round(100 * 17 / 18, 2) and matrix[0, 1] <= round(100 * 16 / 18, 2)
    assert "1 subjects have no gallery sequence and count as errors" in capsys.readouterr().err


def pooled(between, labels, probes, gallery):
    """Rank-1/5/10, mAP, mINP over probes with a match, by walking down each list."""
    found = []
    for p in probes:
        hits = labels[gallery][np.argsort(between[p, gallery], kind="stable")] == labels[p]
        places = np.flatnonzero(hits) + 1
        if len(places):
            ap = np.mean(np.arange(1, len(places) + 1) / places)
            found.append([*(places[0] <= k for k in (1, 5, 10)), ap, len(places) / places[-1]])
    return dict(zip(("rank1", "rank5", "rank10", "mAP", "mINP"), 100 * np.mean(found, 0), strict=True))


@pytest.mark.parametrize("numbers", [False, True])
def test_gait3d_equals_loops(score, numbers):
    rng = np.random.default_rng(1)
    arrays = make([f"{s:04d}" for s in range(40)], [f"camid{c}" for c in range(4)], ["seq0", "seq1"], noise=1.2)
    arrays = keep(arrays, rng.random(len(arrays["labels"])) < 0.7)
    first = np.unique(arrays["labels"], return_index=True)[1]
    names = ["-".join(arrays[key][row] for key in ("labels", "types", "views")) for row in first]
    lone = arrays["labels"] == arrays["labels"][first[0]]  # this probe has no match and does not count
    lone[first[0]] = False
    arrays = keep(arrays, ~lone)
    listed = np.isin(
        ["-".join(x) for x in zip(*(arrays[k] for k in ("labels", "types", "views")), strict=True)], names
    )
    labels = arrays["labels"]
    if numbers:  # leading zeros are lost, which the probe_set keeps
        arrays["labels"] = arrays["labels"].astype(int)
    result = score(arrays | {"probe_set": np.array(names)}, "--protocol", "gait3d")
    expected = pooled(distances(arrays), labels, np.flatnonzero(listed), np.flatnonzero(~listed))
    assert {name: result[name] for name in expected} == pytest.approx(expected)
    assert (result["probes"], result["unmatched"]) == (40, 1)
    assert 10 < result["rank1"] < 90 and "cells" not in result


def test_gait3d_with_the_partition_file(score, tmp_path):
    arrays = make(["0001", "0002", "0003"], ["camid0", "camid1"], ["seq0"])
    partition = {"TRAIN_SET": ["0001"], "TEST_SET": ["0002", "0003"], "PROBE_SET": ["0002-camid0-seq0"]}
    (tmp_path / "p.json").write_text(json.dumps(partition))
    result = score(arrays, "--protocol", "gait3d", "--partition", tmp_path / "p.json")
    inside = keep(arrays, arrays["labels"] != "0001")
    probe = np.flatnonzero((inside["labels"] == "0002") & (inside["types"] == "camid0"))
    gallery = np.setdiff1d(np.arange(4), probe)
    assert result["mAP"] == pytest.approx(pooled(distances(inside), inside["labels"], probe, gallery)["mAP"])


def test_cross_view_removes_the_same_person_in_the_same_view_alone(score):
    arrays = make(["075", "080", "099", "124"], CASIA, ["000", "090", "180"], noise=1.2)
    result = score(arrays, "--protocol", "casia-b-cross-view")
    between = distances(arrays)
    gallery = np.isin(arrays["types"], ["nm-02", "bg-02", "cl-02"])
    rates = []
    for view in ("000", "090", "180"):
        found = []
        for p in np.flatnonzero((arrays["types"] == "bg-01") & (arrays["views"] == view)):
            same = (arrays["labels"] == arrays["labels"][p]) & (arrays["views"] == view)
            found.append(pooled(between, arrays["labels"], [p], np.flatnonzero(gallery & ~same)))
        rates.append([round(np.mean([one[key] for one in found]), 2) for key in ("rank1", "mAP")])
    assert (result["rank1"]["bg"], result["mAP"]["bg"]) == pytest.approx(tuple(np.mean(rates, 0)))


def test_files_of_every_form_give_the_same(score, tmp_path):
    arrays = make(["075", "080", "099"], CASIA, ["000", "090"], strips=1)
    words = ("--protocol", "casia-b")
    whole = score(arrays, *words)
    flat = arrays | {"embeddings": arrays["embeddings"][:, :, 0].astype(np.float64)}
    assert score(flat, *words) == whole
    fortran = arrays | {"embeddings": np.asfortranarray(arrays["embeddings"])}
    assert score(fortran, *words) == whole
    numbers = arrays | {"labels": arrays["labels"].astype(int), "views": arrays["views"].astype(int)}
    assert score(numbers, *words) == whole
    assert score(arrays | {"types": arrays["types"].astype("S")}, *words) == whole
    folder = tmp_path / "given.npz"
    folder.unlink()
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    assert score(None, *words) == whole


def test_half_precision_is_scored_as_it_is(score):
    arrays = make(["075", "080", "099"], CASIA, ["000", "090"])
    arrays["embeddings"] = arrays["embeddings"].astype(np.float16)
    half = score(arrays, "--protocol", "casia-b")
    arrays["embeddings"] = arrays["embeddings"].astype(np.float32)
    assert score(arrays, "--protocol", "casia-b") == half


def test_training_sequences_are_left_out_when_the_file_or_the_user_says_so(score, capsys):
    arrays = make(["001", "002", "075", "080", "099"], CASIA, ["000", "090"], noise=1.0)
    inside = arrays["labels"] >= "075"
    test = score(keep(arrays, inside), "--protocol", "casia-b")
    every = score(arrays, "--protocol", "casia-b")
    assert "2 of 5 subjects are those that casia-b trains on" in capsys.readouterr().err
    assert every["rank1"] != test["rank1"] and every["probes"]["nm"] == 20
    assert score(arrays, "--protocol", "casia-b", "--test-only") == test
    assert score(arrays | {"split": np.where(inside, "test", "train")}, "--protocol", "casia-b") == test


def test_a_csv_of_roles(score, tmp_path):
    arrays = make(["a", "b", "c", "d"], ["x", "y", "z"], ["left", "right"], noise=1.2)
    role = {"x": "gallery", "y": "probe:calm", "z": "probe:hasty"}
    roles = [role[kind] for kind in arrays["types"]]
    keys = zip(arrays["labels"], arrays["types"], arrays["views"], roles, strict=True)
    file = tmp_path / "rules.csv"
    file.write_text(
        "subject, condition, view, role\n" + "".join(",".join(row) + "\n" for row in reversed([*keys]))
    )
    words = ("--protocol", "csv", "--csv", file)
    result = score(arrays, *words)
    rows = {kind: np.flatnonzero(arrays["types"] == kind) for kind in "xyz"}
    for group, kind in (("calm", "y"), ("hasty", "z")):
        expected = pooled(distances(arrays), arrays["labels"], rows[kind], rows["x"])
        assert {name: result[name][group] for name in expected} == pytest.approx(expected)
    file.write_text("role\n" + "".join(f"{role}\n" for role in roles))  # by order
    assert score(arrays, *words) == result
    by_view = score(arrays, *words, "--scoring", "cells", "--exclude", "same_view")
    assert by_view["rank1"]["calm"] == pytest.approx(cells(arrays, ["x"], ["y"])[1])
    file.write_text("role\n" + "".join(f"{role.split(':')[0]}\n" for role in roles))  # one group: a number
    assert isinstance(score(arrays, *words)["rank1"], float)


def test_grew_submission(tmp_path):
    gallery = make([f"{s:05d}" for s in range(1, 13)], ["01", "02"], ["v1"], seed=2)
    probe = make(["probe"], ["03"], ["aa11", "bb22", "cc33"], seed=3)
    arrays = {name: np.concatenate([gallery[name], probe[name]]) for name in gallery}
    np.savez(tmp_path / "given.npz", **arrays)
    out = tmp_path / "submission.csv"
    assert main(["evaluate", str(tmp_path / "given.npz"), "--protocol", "grew", "--submission", str(out)]) == 0
    head, *lines = out.read_text().splitlines()
    assert head == "videoId," + ",".join(f"rank{place}" for place in range(1, 21))
    between = distances(arrays)
    for line in lines:
        video, *found = line.split(",")
        row = np.flatnonzero(arrays["views"] == video)[0]
        assert [int(x) for x in found] == [int(gallery["labels"][i]) for i in between[row, :24].argsort()[:20]]
    assert [line.split(",")[0] for line in lines] == [x for x in arrays["views"] if x != "v1"]


@pytest.mark.slow
def test_verification_and_open_set(score):
    arrays = make([f"{s:03d}" for s in range(75, 95)], CASIA, ["000", "090"], noise=0.9)
    words = ("--protocol", "casia-b", "--verification", "--open-set")
    result = score(arrays, *words)
    found = result["verification"]["nm"]
    between, types, views = distances(arrays), arrays["types"], arrays["views"]
    rows, columns = np.flatnonzero(np.isin(types, CASIA[4:6])), np.flatnonzero(np.isin(types, CASIA[:4]))
    counted = views[rows, None] != views[columns]
    same = arrays["labels"][rows, None] == arrays["labels"][columns]
    block = between[np.ix_(rows, columns)]
    mated, nonmated = block[counted & same], block[counted & ~same]
    assert (found["mated"], found["nonmated"]) == (len(mated), len(nonmated))
    at = np.quantile(nonmated, 0.01)
    assert found["tar_at_far"]["1"] == pytest.approx(100 * (mated <= at).mean(), abs=3)
    gap = [abs((nonmated <= t).mean() - (mated > t).mean()) for t in np.sort(nonmated)]
    assert found["eer"] == pytest.approx(100 * (nonmated <= np.sort(nonmated)[np.argmin(gap)]).mean(), abs=1)
    assert found["eer_interval"][0] < found["eer"] < found["eer_interval"][1]
    low, high = found["tar_at_far_interval"]["1"]
    assert low <= found["tar_at_far"]["1"] <= high
    open_set = result["open_set"]["nm"]
    assert len(open_set["held_out"]) == 10 and open_set["mated"] == open_set["nonmated"] == 40
    assert open_set["fnir_at_fpir"]["1"] >= open_set["fnir_at_fpir"]["10"] > 0
    assert score(arrays, *words, "--seed", 0) == result
    assert score(arrays, *words, "--seed", 1)["open_set"]["nm"]["held_out"] != open_set["held_out"]


def test_usf_strangers_are_the_open_set(score):
    gallery = make([f"{s:03d}" for s in range(1, 9)], ["Gal-1"], ["C-A"], noise=0.1)
    probe = make([f"{s:03d}" for s in range(0, 9)], ["PrbA-1"], ["C-A"], noise=0.1)
    arrays = {name: np.concatenate([gallery[name], probe[name]]) for name in gallery}
    arrays["embeddings"][8:] = np.random.default_rng(0).normal(size=arrays["embeddings"][8:].shape)
    result = score(arrays, "--protocol", "usf", "--open-set", "--held-out", 0)
    assert (result["probes"]["A"], result["open_set"]["A"]["mated"], result["open_set"]["A"]["nonmated"]) == (
        8,
        8,
        1,
    )


BASE = make(["075", "080"], CASIA, ["000", "090"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"types": None}, "lacks types"),
        ({"labels": BASE["labels"][:-1]}, "labels are \\(39,\\), but there are 40 embeddings"),
        ({"embeddings": BASE["embeddings"][None]}, "\\(N, dim, strips\\) or \\(N, dim\\)"),
        ({"embeddings": BASE["embeddings"].astype(int)}, "must be float16, float32 or float64"),
        (
            {"embeddings": np.where(np.arange(40)[:, None, None] == 7, np.nan, BASE["embeddings"])},
            "1 sequences are not",
        ),
        ({"labels": BASE["labels"].astype(object)}, "string array, not as objects"),
        ({"views": BASE["views"].astype(float)}, "strings or integers"),
        ({"types": np.full(40, "walk")}, "finds no gallery"),
        ({"types": np.full(40, "nm-01")}, "finds no probe"),
        ({"views": np.full(40, "090")}, "add views"),
    ],
)
def test_bad_files_are_refused_in_one_line(refuse, change, words):
    arrays = {name: array for name, array in (BASE | change).items() if array is not None}
    error = refuse(arrays, "--protocol", "casia-b")
    assert re.search(words, error), error


def test_bad_options_are_refused_in_one_line(refuse, tmp_path):
    rules = tmp_path / "rules.csv"
    rules.write_text("subject,condition,view,role\n075,nm-01,000,gallery\n999,nm-01,000,probe\n")
    csv = ("--protocol", "csv", "--csv", rules)
    assert "did you mean casia-b" in refuse(BASE, "--protocol", "casia_b")
    assert "names 1 sequences that are not there (999-nm-01-000)" in refuse(BASE, *csv)
    rules.write_text("subject,condition,view,role\n075,nm-01,000,probe\n")
    assert "names no gallery" in refuse(BASE, *csv)
    rules.write_text("subject,condition,view,role\n075,nm-01,000,prob\n")
    assert "line 2: role 'prob' is unknown" in refuse(BASE, *csv)
    rules.write_text("role\ngallery\n")
    assert "has 1 lines for 40 sequences" in refuse(BASE, *csv)
    assert "needs the file" in refuse(BASE, "--protocol", "csv")
    assert "--csv is for" in refuse(BASE, "--protocol", "casia-b", "--csv", rules)
    assert "add probe_set" in refuse(BASE, "--protocol", "gait3d")
    listed = BASE | {"probe_set": np.array(["1-2-3"])}
    assert "no sequence is among the 1 of probe_set" in refuse(listed, "--protocol", "gait3d")
    assert "not public" in refuse(BASE, "--protocol", "grew")
    assert "--submission is for" in refuse(BASE, "--protocol", "casia-b", "--submission", tmp_path / "x.csv")
    assert "--held-out is 1.0" in refuse(BASE, "--protocol", "casia-b", "--open-set", "--held-out", 1)
    (tmp_path / "given.npz").write_bytes(b"no archive")
    assert "cannot be read: truncated or no .npz" in refuse(None, "--protocol", "casia-b")
    (tmp_path / "given.npz").unlink()
    assert "does not exist" in refuse(None, "--protocol", "casia-b")
