"""Each file that a stranger may have written, damaged in many ways, through what reads it: an error or a result.

An error is one of ours, on one line. Anything else - a traceback, a hang - fails.
"""

import json
from argparse import Namespace

import numpy as np
import pytest
import yaml

from meshgait.configured import build_stage
from meshgait.data.custom_protocol import CustomProtocol
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.partitions import Partition
from meshgait.data.protocols import get_protocol, split
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import MeshGaitError
from meshgait.inspection.report import CheckOptions, check
from meshgait.report.folder import read_run
from meshgait.report.tables import results, settings, summary
from meshgait.run_folder import RunFolder, read_settings
from meshgait.sweeps.runner import validations
from meshgait.sweeps.schema import read_sweep
from meshgait.tools import compare
from meshgait.tools.export import recipe
from tests.report.runs import make_run
from tests.textfiles.mutations import damaged, generators, mutated

CONDITIONS = ("nm-01", "nm-03", "bg-01", "cl-01")
SWEEP = {
    "program": "meshgait",
    "method": "grid",
    "name": "small",
    "metric": {"name": "val/x", "goal": "minimize", "target": 0.1},
    "parameters": {"model.lr": {"values": [0.1, 0.2]}, "model.x": {"min": 1, "max": 4}},
    "early_terminate": {"type": "hyperband", "max_iter": 27, "s": 2, "eta": 3},
    "run_cap": 8,
    "command": ["${env}", "${program}", "trial", "base.yaml", "${args}"],
}


def write(path, text):
    path.write_text(text, encoding="utf-8", errors="surrogatepass")


def outcome(use, *arguments):
    """ "ok", or "refused" in one line."""
    try:
        use(*arguments)
    except MeshGaitError as error:
        assert str(error) and "\n" not in str(error) and "\x1b" not in str(error)
        return "refused"
    return "ok"


def several(path, texts, *uses):
    """Outcomes of all uses over all texts; some of them must be refused, or the damage is none."""
    before = path.read_text(encoding="utf-8")
    found = set()
    for text in texts:
        write(path, text)
        found |= {outcome(use) for use in uses}
    write(path, before)
    assert [outcome(use) for use in uses] == ["ok"] * len(uses)
    assert "refused" in found


def dumped(content, count, dump=json.dumps):
    """Damaged text of some content."""
    for rng in generators(count):
        yield dump(mutated(content, rng)) if rng.random() < 0.6 else damaged(dump(content), rng)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["metrics.json", "history.jsonl", "config.yaml"])
def test_files_of_a_run(tmp_path, capsys, file):
    run = make_run(tmp_path / "run", without=("pictures", "mesh.npz"))
    text = (run / file).read_text()

    def tables():
        found = [read_run(run)]
        summary(found), results(found), settings(found)

    uses = {
        "metrics.json": (lambda: compare.run(Namespace(runs=[run], errors=True, views=True)), tables),
        "history.jsonl": (lambda: validations(RunFolder(run), "val/rank1"), tables),
        "config.yaml": (lambda: recipe(run / file), lambda: read_settings(run / file), tables),
    }
    if file == "history.jsonl":
        lines = [json.loads(line) for line in text.splitlines()]
        texts = ["\n".join(json.dumps(mutated(line, rng)) for line in lines) + "\n" for rng in generators(20)]
        texts += [damaged(text, rng) for rng in generators(40)]
    else:
        texts = dumped(json.loads(text), 60)
    several(run / file, texts, *uses[file])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "store"
    frames = np.full((3, 64, 44), 255, np.uint8)
    with StoreWriter(path, bits=8) as writer:
        for person in range(4):
            for condition in CONDITIONS:
                for view in ("000", "090"):
                    writer.add(f"{person:03d}", condition, view, frames)
        writer.finish({"TRAIN_SET": ["000"], "TEST_SET": ["001", "002", "003"]}, {"protocol": "walkers"})
    return path


def use(store):
    opened = Store(store)
    for index in range(len(opened.sequences)):
        opened.silhouettes(index)
    data = SilhouetteDataModule(str(store))
    assert data.split and data.selection and opened.hash


@pytest.mark.parametrize("file", ["meta.json", "partition.json"])
def test_json_of_a_store(store, file):
    content = json.loads((store / file).read_text())
    several(
        store / file,
        dumped(content, 30),
        lambda: use(store),
        lambda: check(store, CheckOptions(show=False)).plain(),
    )


def test_table_of_a_store(store):
    cells = (
        "-1",
        "0",
        "9" * 400,
        "9" * 18,
        "95",
        "96",
        "1.5",
        "",
        "/",
        "..",
        '"a\nb"',
        "\u2028",
        "\x85",
        "x" * 300,
    )
    text, texts = (store / "sequences.csv").read_text(), []
    for rng in generators(12):
        rows = [line.split(",") for line in text.splitlines()]
        rng.choice(rows)[rng.randrange(5)] = rng.choice(cells)
        texts += ["\n".join(",".join(row) for row in rows) + "\n", damaged(text, rng)]
    several(
        store / "sequences.csv", texts, lambda: use(store), lambda: check(store, CheckOptions(show=False)).plain()
    )


def test_lists_of_subjects_and_roles(store, tmp_path):
    sequences = Store(store).sequences
    lists, roles = tmp_path / "lists.json", tmp_path / "roles.csv"
    content = {"TRAIN_SET": ["000"], "TEST_SET": ["001", "002", "003"], "PROBE_SET": ["001-nm-01-000"]}
    write(lists, json.dumps(content))
    several(lists, dumped(content, 100), lambda: split(sequences, get_protocol("walkers"), Partition.read(lists)))
    role = dict.fromkeys(CONDITIONS, "probe:a") | {"nm-01": "gallery"}
    rows = [",".join((*sequence[:3], role[sequence.condition])) for sequence in sequences]
    write(roles, "\n".join(["subject,condition,view,role", *rows]))
    text = roles.read_text()
    several(
        roles,
        (damaged(text, rng) for rng in generators(150)),
        lambda: CustomProtocol.read(roles).select(sequences),
    )


def test_sweep_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text("{}")
    path = tmp_path / "sweep.yaml"
    write(path, json.dumps(SWEEP))

    def read():
        sweep = read_sweep(path)
        assert sweep.trials(None) <= 100_000 and sweep.content

    several(path, dumped(SWEEP, 150), read)
    several(path, dumped(SWEEP, 15, yaml.safe_dump), read)


def test_experiments(tmp_path):
    content = {
        "model": {
            "class_path": "meshgait.stages.reconstruct.ReconstructStage",
            "init_args": {"optimizer": {"lr": 0.1}},
        }
    }
    path = tmp_path / "experiment.yaml"
    write(path, json.dumps(content))
    several(path, dumped(content, 8), lambda: build_stage([path], [], 2))
