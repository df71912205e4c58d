"""Protocols of `benchmarks.zero_shot`, on figures whose right answers are known."""

import numpy as np
import pytest
import torch

from benchmarks.real_sets import KTH_PLACES, RealWalk, kth_walks, mirrored
from benchmarks.zero_shot import kth_rates, mean_silhouettes, usf_rates, walker_rates
from meshgait.errors import DataError


def bar(left, width=6, shape=(64, 44)):
    """One frame of a bar of full height."""
    frame = np.zeros((1, *shape), np.uint8)
    frame[:, :, left : left + width] = 255
    return frame


def test_kth_enrols_the_first_place_and_looks_for_all_others():
    walks = [RealWalk(f"{n}", place, bar(4 + 12 * n)) for n in range(2) for place in KTH_PLACES]
    wrong = RealWalk("0", "d3", bar(16))  # person 0 looks like person 1 here
    rates = kth_rates([*walks, wrong], mean_silhouettes)
    assert rates["kth"][""] == pytest.approx({"d2": 100.0, "d3": 100 * 2 / 3, "d4": 100.0, "all": 100 * 6 / 7})


def test_a_pass_to_the_other_side_is_found_by_its_mirror_image():
    walks = [RealWalk("0", "d1", bar(4)), RealWalk("1", "d1", bar(31))]
    turned = mirrored(walks[0])._replace(group="d2")
    np.testing.assert_array_equal(turned.frames[:, :, 34:40], 255)
    rates = kth_rates([*walks, turned], mean_silhouettes)
    assert rates["kth"][""]["all"] == 0 and rates["kth mirrored"][""]["all"] == 100


def test_usf_is_scored_by_person():
    """Person 1 is right in one sample and wrong in two: by samples two of four would be right."""
    places = {1: 2, 2: 12}
    size = (32, 22)
    gallery = [RealWalk(f"{n:03d}", "Gal", bar(left, 4, size)) for n, left in places.items()]
    probes = []
    for letter in "ABCDEFG":
        probes += [RealWalk("001", f"Prb{letter}", bar(left, 4, size)) for left in (2, 11, 11)]
        probes += [RealWalk("002", f"Prb{letter}", bar(12, 4, size))]
    rates = usf_rates([*gallery, *probes], mean_silhouettes)
    assert rates["usf"][""] == dict.fromkeys([*"ABCDEFG", "mean"], 50.0)


def test_passes_to_the_left_and_to_the_right_are_counted_apart():
    walks = [RealWalk("a", "d1", bar(4), 1), RealWalk("b", "d1", bar(20), -1)]
    probes = [RealWalk("a", "d2", bar(4), 1), RealWalk("b", "d3", bar(5), -1), RealWalk("b", "d4", bar(20), -1)]
    rates = kth_rates([*walks, *probes], mean_silhouettes)["kth"][""]
    assert rates["to the right"] == 100 and rates["to the left"] == 50
    assert mirrored(walks[0]).direction == -1


def test_walkers_are_mirrored_before_they_are_measured(store):
    seen = []

    def embed(walks):
        seen.append(walks)
        return mean_silhouettes(walks)

    plain, turned = (walker_rates(store.path, embed, mirror) for mirror in (False, True))
    assert plain == turned  # mean silhouettes have no side
    assert all((a[..., ::-1] == b).all() for a, b in zip(*seen, strict=True))


def test_a_network_with_posture_parts_has_a_row_for_each_kind_of_parts():
    def embed(walks):
        whole = mean_silhouettes(walks)[""]
        return {"": whole, ", strips alone": torch.zeros_like(whole)}

    walks = [RealWalk(f"{n}", place, bar(4 + 12 * n)) for n in range(2) for place in KTH_PLACES]
    rates = kth_rates(walks, embed)["kth"]
    assert rates[""]["all"] == 100 and rates[", strips alone"]["all"] == 50


def test_gei_has_the_published_figures(shared_data):
    """The mean of the seven probes as in docs/what-3d-brings.md, by another route: `make usf`."""
    from benchmarks.real_sets import usf_walks

    rates = usf_rates(usf_walks(shared_data), mean_silhouettes, ["usf"])
    assert rates["usf"][""] == pytest.approx(
        {"A": 85.9, "B": 65.9, "C": 58.5, "D": 27.3, "E": 23.8, "F": 10.6, "G": 14.3, "mean": 40.9}, abs=0.05
    )


def test_a_set_that_is_absent_is_named(tmp_path):
    with pytest.raises(DataError, match=r"d1\.npz"):
        kth_walks(tmp_path)
