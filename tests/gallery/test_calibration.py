"""Thresholds and rates against counts by hand, simulation, and what the data cannot carry."""

import numpy as np
import pytest
from scipy.stats import binomtest

from meshgait.errors import ConfigError, GalleryError
from meshgait.gallery.calibration import calibrate, exact_interval, require_enough, share_within
from meshgait.gallery.decision import decide, strangers_within
from meshgait.gallery.gallery import Gallery
from tests.gallery.walkers import walk


def strangers_at(*distances):
    return [np.array([distance], float) for distance in distances]


@pytest.mark.parametrize("seed", range(10))
def test_the_threshold_is_the_largest_within_the_rate(seed):
    rng = np.random.default_rng(seed)
    people = [rng.gamma(4, size=rng.integers(1, 5)).round(2) for _ in range(rng.integers(40, 90))]
    fpir = float(rng.uniform(8, 40))
    found = calibrate({"strangers": people}, fpir, 7)

    def share(threshold):
        return 100 * np.mean([np.mean([distance <= threshold for distance in walks]) for walks in people])

    assert found.measured == pytest.approx(share(found.threshold)) and found.measured <= fpir
    every = np.sort(np.concatenate(people))
    following = every[every > found.threshold][0]
    assert share(following) > fpir
    assert found.strangers == len(people) and found.searches == sum(map(len, people))


def test_the_strictest_group_sets_the_threshold():
    far, near = strangers_at(*np.linspace(5, 6, 60)), strangers_at(*np.linspace(1, 2, 5))
    found = calibrate({"far": far, "near": near}, 10, 3)
    assert found.threshold < 1
    assert found.groups == {"far": (60, 60, 0), "near": (5, 5, 0)}
    assert calibrate({"far": far, "none": []}, 10, 3).threshold == pytest.approx(5.1, abs=0.02)


@pytest.mark.parametrize(
    ("strangers", "fpir", "enough"),
    [(20, 1, False), (299, 1, False), (300, 1, True), (30, 10, True), (0, 50, False)],
)
def test_what_the_strangers_cannot_carry_is_not_promised(strangers, fpir, enough):
    if enough:
        require_enough(strangers, fpir)
        return
    with pytest.raises(ConfigError, match=rf"{300 // fpir} people who are not enrolled, here are {strangers}"):
        require_enough(strangers, fpir)


def test_the_refusal_says_what_can_be_shown():
    with pytest.raises(ConfigError, match="at best 15 % can be shown"):
        calibrate({"strangers": strangers_at(*range(20))}, 1, 5)
    for rate in (0, -1, 100, float("nan")):
        with pytest.raises(ConfigError, match="between 0 and 100"):
            require_enough(10_000, rate)


@pytest.mark.parametrize(("wrong", "people"), [(0, 60), (1, 60), (7, 25), (25, 25)])
def test_intervals_are_exact(wrong, people):
    expected = binomtest(wrong, people).proportion_ci(method="exact")
    np.testing.assert_allclose(exact_interval(100 * wrong / people, people), 100 * np.array(expected), atol=1e-9)


def test_the_promise_holds_for_new_strangers():
    """Simulation: over many galleries the rate among new strangers is that asked for, and within the interval."""
    rng, rates, covered = np.random.default_rng(0), [], 0
    for _ in range(200):
        found = calibrate({"strangers": strangers_at(*rng.gamma(5, size=100))}, 10, 5)
        truth = 100 * float(np.mean(rng.gamma(5, size=20_000) <= found.threshold))
        rates.append(truth)
        covered += found.low <= truth <= found.high
    assert np.mean(rates) == pytest.approx(10, abs=1.2)
    assert covered >= 180


def test_people_count_and_not_walks():
    """A stranger with a hundred near walks is one stranger."""
    assert share_within([np.zeros(100), *strangers_at(*[5] * 9)], 1) == pytest.approx(10)


def decided(distances, threshold=2.0, **change):
    calibration = calibrate({"s": strangers_at(*np.linspace(2, 8, 100))}, 5, 3)
    values = {**vars(calibration), "threshold": threshold, **change}
    return decide(np.array(distances, float), ["A", "B"], type(calibration)(**values), 40)


def test_words_and_levels_follow_the_distances():
    sure = decided([[[1, 1.5], [4, 4]]])
    assert (sure.name, sure.level, sure.distance, sure.runner_up_distance) == ("A", "strong", 1, 4)
    assert "0 % of 100 strangers" in sure.confidence and "at most 3.6 %" in sure.confidence
    assert decided([[[2.2, 3], [4, 4]]], threshold=2.3).level == "fair"
    rival = decided([[[1, 1], [1.9, 3]]])
    assert (rival.name, rival.level) == ("A", "weak") and "runner-up is nearly as near" in rival.confidence
    beyond = decided([[[1.9, 1.9], [2.3, 3]]])  # the runner-up is beyond the threshold, but by little
    assert (beyond.name, beyond.level) == ("A", "weak") and "runner-up is nearly as near" in beyond.confidence
    mirrored = decided([[[3, 1], [4, 4]]])
    assert (mirrored.name, mirrored.mirrored, mirrored.level) == ("A", True, "weak")
    unknown = decided([[[3, 3], [4, 4]]])
    assert (unknown.name, unknown.nearest, unknown.status, unknown.mirrored) == (None, "A", "unknown", False)
    assert "nobody enrolled is near enough: 17 % of 100 strangers" in unknown.confidence
    assert "calibrate again" in decided([[[1, 1], [4, 4]]], current=False).confidence


def test_passes_are_averaged_per_person():
    # B is nearest in one pass, A on the whole
    found = decided([[[1.5, 9], [1, 9]], [[1.5, 9], [4, 9]]])
    assert (found.name, found.distance, found.runner_up_distance, found.passes) == ("A", 1.5, 2.5, 2)


def test_the_kept_curve_gives_the_shares():
    rng = np.random.default_rng(3)
    people = [rng.gamma(4, size=3) for _ in range(80)]
    found = calibrate({"strangers": people}, 10, 3)
    for distance in rng.gamma(4, size=20):
        share, most = strangers_within(found, distance)
        assert share == pytest.approx(share_within(people, distance), abs=1e-6)
        assert most == pytest.approx(exact_interval(share, 80)[1])


def test_calibration_is_kept_and_read_again(gallery, strangers, path, mean_model):
    found = gallery.calibrate(strangers, fpir=20)
    again = Gallery(path, mean_model).calibration
    assert again == found
    assert set(found.groups) == {"strangers", "enrolled people, searched without their own walks"}
    assert sum(group[0] for group in found.groups.values()) == found.strangers == 43


def test_who_is_enrolled_is_no_stranger(gallery, strangers):
    with pytest.raises(GalleryError, match="Ben is enrolled, so no stranger"):
        gallery.calibrate({**strangers, "Ben": walk(1, 9)}, fpir=10)
    with pytest.raises(ConfigError, match="60 people who are not enrolled, here are 3"):
        gallery.calibrate()  # with the enrolled alone, at 5 %
    assert gallery.calibration is None


def test_evaluation_is_what_counting_gives(gallery, strangers, mean_model):
    probes = {"Anna": [walk(0, 5), walk(0, 6)], "Ben": [walk(1, 5)], **dict(list(strangers.items())[:15])}
    found = gallery.evaluate(probes, fpir=(10, 50))
    distances, right = {}, {}
    for name, walks in probes.items():
        answers = [gallery.identify(one) for one in walks]
        distances[name] = [answer.distance for answer in answers]
        right[name] = [answer.nearest == name for answer in answers]
    false = sorted(d for name in probes if name.startswith("stranger") for d in distances[name])
    mated = [pair for name in ("Anna", "Ben") for pair in zip(distances[name], right[name], strict=True)]
    assert (found.mated, found.nonmated, found.people) == (3, 30, 2)
    for rate, fnir in zip(found.fpir, found.fnir, strict=True):
        allowed = int(rate / 100 * 30)
        # the largest distance below the first search too many
        expected = 100 * np.mean([not (is_right and d < false[allowed]) for d, is_right in mated])
        assert fnir == pytest.approx(expected)
    thresholds, fpir, fnir = map(np.array, found.det)
    assert (np.diff(thresholds) > 0).all() and (np.diff(fpir) >= 0).all() and (np.diff(fnir) <= 0).all()
    middle = len(thresholds) // 2
    assert fpir[middle] == pytest.approx(100 * np.mean(np.array(false) <= thresholds[middle] + 1e-6), abs=4)


def test_evaluation_without_probes_leaves_each_walk_out(gallery):
    found = gallery.evaluate(fpir=(50,))
    assert (found.mated, found.nonmated, found.people) == (9, 9, 3)
    assert found.fnir[0] == 0 and found.at_threshold is None
    assert "each enrolled walk against the others" in found.remarks[0]


def test_evaluation_needs_searches_of_both_kinds(path, mean_model):
    gallery = Gallery(path, mean_model)
    gallery.enrol("Anna", walk(0))
    with pytest.raises(GalleryError, match="no mated search"):
        gallery.evaluate()
    with pytest.raises(GalleryError, match="no non-mated search"):
        gallery.evaluate({"Anna": walk(0, 1)})
