"""A store of walkers: same bytes for any number of workers, resumable, never overwritten by accident."""

import json
from dataclasses import replace

import numpy as np
import pytest

from meshgait.data.store import Store, StoreWriter
from meshgait.errors import ConfigError, OutputError, StoreError
from meshgait.synthetic import generate as module
from meshgait.synthetic.generate import generate
from meshgait.synthetic.population import WalkerSettings

SETTINGS = WalkerSettings(bodies=4, styles=4, views=(0, 90), conditions=("nm-01", "bg-01"), frames=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory, body) -> Store:
    dest = tmp_path_factory.mktemp("walkers") / "store"
    assert generate(dest, SETTINGS, 1, body, progress=False)
    return Store(dest)


def same(a, b) -> bool:
    names = sorted(path.name for path in a.iterdir())
    return names == sorted(p.name for p in b.iterdir()) and all(
        (a / name).read_bytes() == (b / name).read_bytes() for name in names
    )


def test_store_holds_everything(store):
    assert len(store.sequences) == 8 * 2 * 2
    assert store.sequences[1][:3] == ("001", "nm-01", "090")
    assert store.size == (64, 44)
    smpl = store.smpl(5)
    assert smpl["poses"].shape == (3, 72)
    assert smpl["valid"].all()
    assert store.meta["subjects"]["002"] == {"body": 0, "style": 1}
    assert store.partition == {"TRAIN_SET": ["001", "002", "003", "004"], "TEST_SET": ["005", "006", "007", "008"]}
    assert 300 < (store.silhouettes(0) > 0).sum() / 3 < 1500


def test_bytes_do_not_depend_on_workers(store, tmp_path, body):
    generate(tmp_path / "three", SETTINGS, 3, body, progress=False)
    assert same(store.path, tmp_path / "three")


def test_varied_walkers_do_not_depend_on_workers_either(tmp_path, body):
    varied = replace(
        SETTINGS, noise="mixed", camera_variety=1.0, wardrobe_variety=1.0, body_variety=1.0, views=(0,)
    )
    for workers in (1, 2):
        generate(tmp_path / str(workers), varied, workers, body, progress=False)
    assert same(tmp_path / "1", tmp_path / "2")
    assert Store(tmp_path / "1").meta["source"]["noise"] == "mixed"


def test_killed_run_is_taken_up(store, tmp_path, body, monkeypatch):
    class Killed(Exception):
        pass

    add = StoreWriter.add

    def dying(self, *args, **kwargs):
        if self.done == 7:
            raise Killed
        add(self, *args, **kwargs)

    monkeypatch.setattr(StoreWriter, "add", dying)
    with pytest.raises(Killed):
        generate(tmp_path / "again", SETTINGS, 1, body, progress=False)
    assert not (tmp_path / "again").exists()
    monkeypatch.undo()
    taken = []
    sequences = module._render_all
    monkeypatch.setattr(
        module, "_render_all", lambda s, a, jobs, *rest: sequences(s, a, taken.append(jobs) or jobs, *rest)
    )
    generate(tmp_path / "again", SETTINGS, 1, body, progress=False)
    assert len(taken[0]) == 32 - 7
    assert same(store.path, tmp_path / "again")


def test_same_settings_again_do_nothing(store, body):
    before = (store.path / "meta.json").stat().st_mtime_ns
    assert not generate(store.path, SETTINGS, 1, body, progress=False)
    assert (store.path / "meta.json").stat().st_mtime_ns == before


def test_other_settings_are_refused_and_name_the_remedy(store, body):
    with pytest.raises(OutputError, match=r"frames.*--overwrite"):
        generate(store.path, replace(SETTINGS, frames=2), 1, body, progress=False)


def test_overwrite_replaces_walkers_only(tmp_path, body):
    small = replace(SETTINGS, conditions=("nm-01",), views=(0,), frames=1)
    generate(tmp_path / "w", small, 1, body, progress=False)
    assert generate(tmp_path / "w", replace(small, seed=1), 1, body, progress=False, overwrite=True)
    assert Store(tmp_path / "w").meta["source"]["seed"] == 1
    # a run begun with other settings gives way as well
    StoreWriter(tmp_path / "b", smpl=True, source={**Store(tmp_path / "w").meta["source"], "seed": 2})
    with pytest.raises(StoreError):
        generate(tmp_path / "b", small, 1, body, progress=False)
    assert generate(tmp_path / "b", small, 1, body, progress=False, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "meta.json").write_text(json.dumps({"source": {}}))
    with pytest.raises(OutputError):
        generate(tmp_path / "mine", small, 1, body, progress=False, overwrite=True)
    assert (tmp_path / "mine" / "meta.json").exists()


def test_seeds_and_workers(tmp_path, body, store):
    with pytest.raises(ConfigError, match="--workers 0"):
        generate(tmp_path / "x", SETTINGS, 0, body)
    other = replace(SETTINGS, seed=3, conditions=("nm-01",), views=(0,))
    generate(tmp_path / "seed", other, 1, body, progress=False)
    assert not np.array_equal(Store(tmp_path / "seed").smpl(0)["betas"], store.smpl(0)["betas"])
