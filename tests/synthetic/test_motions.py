"""Recorded walks on other bodies; our own gait, exported and read back, must look as it did."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from meshgait.data.store import Store
from meshgait.errors import DataError, OutputError
from meshgait.synthetic.camera import following_camera
from meshgait.synthetic.dress import Dressed, Outfit
from meshgait.synthetic.feet import foot_skate, sole
from meshgait.synthetic.gait import Gait
from meshgait.synthetic.generate import generate
from meshgait.synthetic.motions import Motions, retarget
from meshgait.synthetic.population import WalkerSettings
from meshgait.synthetic.recordings import read_recording
from meshgait.synthetic.sequence import render_sequence
from tests.synthetic.amass import save, walk

TIMES = np.arange(20) / 25


def overlap(first, second) -> np.ndarray:
    one, other = first.silhouettes > 0, second.silhouettes > 0
    return (one & other).sum((1, 2)) / (one | other).sum((1, 2))


@pytest.mark.parametrize(("heading", "kind"), [(0, "smplh"), (217, "smplx")])
def test_our_own_gait_comes_back(tmp_path, renderer, heading, kind):
    skin, style = renderer.skin(1), renderer.style(2)
    recording = read_recording(save(tmp_path / "a.npz", *walk(skin.figure, style=style), heading, kind=kind))
    again = retarget(recording, 1.0, skin.figure, TIMES)
    before = Gait(style, skin.figure).frames(1.0 + TIMES)
    np.testing.assert_allclose(
        again.local[:, 1:], before.local[:, 1:], atol=0.02
    )  # interpolated from 120 a second
    assert np.abs(again.path[:, 1] - before.path[:, 1]).max() < 0.01
    walked = [motion.path[-1, 2] - motion.path[0, 2] for motion in (again, before)]
    assert walked[0] == pytest.approx(walked[1], rel=0.02)
    clothes = Dressed(skin, Outfit.sample(np.random.default_rng(1)))
    for view in (0, 54, 90, 180):
        sequences = [
            render_sequence(clothes, motion, following_camera(motion.path, view, 8.0, 1.2))
            for motion in (again, before)
        ]
        assert overlap(*sequences).mean() > 0.97
        roots = [Rotation.from_rotvec(sequence.poses[:, :3]) for sequence in sequences]
        assert np.rad2deg((roots[0].inv() * roots[1]).magnitude()).max() < 1.5
        assert np.abs(sequences[0].cameras - sequences[1].cameras).mean() < 0.3


def test_another_body_walks_on_the_ground_without_sliding(tmp_path, renderer):
    """A tall man's walk on shorter legs: the path shrinks with them, the soles stay on the ground."""
    tall, short = (renderer.rig.figure(np.eye(10)[0] * beta) for beta in (2.0, -2.0))
    legs = [figure.joints[1, 1] - figure.joints[7, 1] for figure in (tall, short)]
    if legs[0] < legs[1]:
        tall, short, legs = short, tall, legs[::-1]
    recording = read_recording(save(tmp_path / "a.npz", *walk(tall), 40))
    times = np.arange(50) / 25
    lengths = {}
    for name, figure in (("tall", tall), ("short", short)):
        motion = retarget(recording, 1.0, figure, times)
        vertices = figure.skin(motion.rotations, motion.joints) + motion.path[:, None]
        assert abs(vertices[..., 1].min(axis=1).mean()) < 0.015
        soles = sole(figure, 7, 10), sole(figure, 8, 11)
        assert foot_skate(vertices, soles, 25.0, near=0.01) < 0.08  # planned gaits slide by 0.045 in this measure
        lengths[name] = motion.path[-1, 2] - motion.path[0, 2]
        assert abs(motion.path[-1, 0] - motion.path[0, 0]) < 0.1  # along +z

    assert lengths["short"] / lengths["tall"] == pytest.approx(legs[1] / legs[0], abs=0.04)


def test_a_carried_bag_stills_the_arm(tmp_path, renderer):
    figure = renderer.skin(0).figure
    recording = read_recording(save(tmp_path / "a.npz", *walk(figure)))
    times = np.arange(40) / 25
    free, still = (retarget(recording, 0.5, figure, times, (damping, 1.0)) for damping in (1.0, 0.0))
    swung, held = (np.ptp(motion.joints[:, [20, 21], 2], axis=0) for motion in (free, still))
    assert held[0] < 0.6 * swung[0]  # the trunk still turns
    assert held[1] == pytest.approx(swung[1])
    assert np.ptp(still.local[:, 16], axis=0).max() < 1e-9


@pytest.fixture(scope="module")
def amass(tmp_path_factory, renderer):
    """A data set of AMASS: four people in folders, one of whom never walks, and files that are no recordings."""
    root = tmp_path_factory.mktemp("amass") / "SET"
    figure = renderer.skin(0).figure
    for person in range(5):
        local, path = walk(figure, 3.0, renderer.style(person % 4), rate=60.0)
        if person == 1:
            path = path * [1, 1, 0.1]
        for sequence in range(1 + person % 2):
            save(
                root / f"P{person}" / f"walk_{sequence}_poses.npz",
                local,
                path,
                50 * person + 20 * sequence,
                rate=60.0,
            )
        np.savez(root / f"P{person}" / "shape.npz", betas=np.zeros(16), gender="male")
    (root / "P0" / "cut_poses.npz").write_bytes(b"PK")
    return root


def test_people_are_folders_and_skips_are_told(amass):
    motions = Motions.collect([amass], 4, 1.0, progress=False)
    assert motions.names == ("P0", "P2", "P3", "P4")
    assert [len(stretches) for stretches in motions.people] == [1, 1, 2, 1]
    assert motions.skipped == {"no recording of AMASS": 6, "not 1.0 s at 0.5 to 1.8 m/s": 2}
    assert str(motions).startswith("4 people, 5 straight walks, 13 recordings read, skipped: 6 no recording")
    # nobody is looked for beyond those who are needed, nothing counts twice, the place does not matter
    two = Motions.collect([amass / "P0", amass / "P2", amass], 2, 1.0, progress=False)
    assert two.recordings == 5 and two.names == ("walk_0_poses", "walk_0_poses (1)")
    with pytest.raises(
        DataError, match=r"4 people walk.*1\.0 s \(skipped: 6 no.*--styles needs 5.*fewer --bodies"
    ):
        Motions.collect([amass, amass], 5, 1.0, progress=False)


def test_hash_follows_the_content(amass, tmp_path):
    def collect(*sources):
        return Motions.collect(sources, 2, 1.0, progress=False).hash

    copy = tmp_path / "elsewhere"
    for file in amass.rglob("*.npz"):
        target = copy / file.relative_to(amass)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    assert collect(amass) == collect(copy)
    assert collect(amass / "P3", amass / "P4") != collect(amass)
    (copy / "P0" / "walk_0_poses.npz").write_bytes((copy / "P4" / "walk_0_poses.npz").read_bytes())
    assert collect(amass) != collect(copy)


def test_a_file_that_the_user_names_must_be_a_recording(amass):
    with pytest.raises(DataError, match=r"shape\.npz is no recording of AMASS"):
        Motions.collect([amass / "P0" / "shape.npz"], 1, 1.0, progress=False)


SETTINGS = WalkerSettings(bodies=4, styles=4, views=(0, 90), conditions=("nm-01", "bg-01"), frames=4)


def test_a_store_of_recorded_walks(amass, tmp_path, body, renderer):
    """Crossed as styles are, the same bytes for any number of workers, told apart by the recordings' hash."""
    motions = Motions.collect([amass], 4, 1.0, progress=False)
    for workers in (1, 2):
        assert generate(tmp_path / str(workers), SETTINGS, workers, body, progress=False, motions=motions)
    store, other = Store(tmp_path / "1"), Store(tmp_path / "2")
    assert store.hash == other.hash and store.meta == other.meta
    assert store.meta["motions"] == ["P0", "P2", "P3", "P4"] and store.meta["source"]["motions"] == motions.hash
    assert store.meta["subjects"]["002"] == {"body": 0, "style": 1}
    truth = store.smpl(0)
    assert truth["valid"].all() and np.isfinite(truth["poses"]).all()
    # seen from the front, the walker faces the camera
    facing = Rotation.from_rotvec(truth["poses"][:, :3]).as_matrix()[:, :, 2]
    assert facing[:, 2].min() > 0.9
    # a body of its own in a store of styles differs, and may not take this one's place
    assert not generate(tmp_path / "1", SETTINGS, 1, body, progress=False, motions=motions)
    for changed in (None, replace(motions, hash="0" * 16)):
        with pytest.raises(OutputError, match=r"other settings \(motions\)"):
            generate(tmp_path / "1", SETTINGS, 1, body, progress=False, motions=changed)
