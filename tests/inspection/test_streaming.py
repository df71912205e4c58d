"""A store far larger than the memory that a check takes."""

import json
import tracemalloc

import numpy as np
import pytest

from meshgait.inspection.report import CheckOptions, check

SEQUENCES, FRAMES, SIZE = 3_000, 64, (32, 16)


def sparse(folder):
    """A store of holes, which take no room on disk: 192,000 frames, 98 MB of grey values."""
    folder.mkdir()
    shape = (SEQUENCES * FRAMES, *SIZE)
    np.lib.format.open_memmap(folder / "silhouettes.npy", mode="w+", dtype=np.uint8, shape=shape)
    with (folder / "sequences.csv").open("w") as file:
        file.write("subject,condition,view,start,frames\n")
        for number in range(SEQUENCES):
            file.write(f"{number // 10:05d},nm-{number % 10:02d},000,{number * FRAMES},{FRAMES}\n")
    meta = {"version": 1, "size": SIZE, "bits": 8, "frames": shape[0], "source": {}, "sha256": {}}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


@pytest.mark.slow
def test_memory_is_bounded(tmp_path, capsys):
    store = sparse(tmp_path / "store")
    tracemalloc.start()
    report = check(store, CheckOptions(show=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (finding,) = report.findings
    assert (finding.code, finding.count) == ("empty", SEQUENCES * FRAMES)
    assert len(report.survey.examples["empty"]) <= 12
    # the store's own table takes some 400 bytes a sequence
    assert peak < 400 * SEQUENCES + 12e6 < SEQUENCES * FRAMES * SIZE[0] * SIZE[1] / 7
