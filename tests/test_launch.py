"""The launch files, with programs in place of torchrun, srun and scontrol that note how they are called."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from lightning import Trainer

from meshgait.cli import main
from meshgait.stages.sync_batchnorm_plugin import SyncBatchNormPlugin
from meshgait.training import MeshGaitCLI

LAUNCH = Path(__file__).parents[1] / "launch"
CONFIG = LAUNCH.parent / "experiments" / "finetune" / "walkers.yaml"
GIVEN = ("--config", str(CONFIG), "--model.pretrained", "null")
NOTE = """#!{python}
import json, os, sys
with open({file!r}, "a") as file:
    file.write(json.dumps([{name!r}, os.environ.get("OMP_NUM_THREADS"), *sys.argv[1:]]) + "\\n")
sys.exit(int(os.environ.get("STATUS", 0)) if "fit" in sys.argv else 0)
"""


@pytest.fixture
def launch(tmp_path):
    """Run a launch file; its result and the calls that it made."""
    calls = tmp_path / "calls"
    for name in ("torchrun", "srun", "scontrol"):
        (tmp_path / name).write_text(NOTE.format(python=sys.executable, file=str(calls), name=name))
        (tmp_path / name).chmod(0o755)

    def run(script, *words, **variables):
        kept = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        result = subprocess.run(
            ["bash", LAUNCH / script, *words], env=kept | variables, capture_output=True, text=True, check=False
        )
        lines = calls.read_text().splitlines() if calls.exists() else []
        return result, [json.loads(line) for line in lines]

    return run


def check(call, devices, nodes, capsys):
    """What `meshgait` makes of the words that it is given."""
    with pytest.raises(SystemExit) as ended:
        main([*call[call.index("meshgait.cli") + 1 :], "--print_config"])
    assert ended.value.code in (0, None)
    trainer = yaml.safe_load(capsys.readouterr().out)["trainer"]
    assert (trainer["devices"], trainer["num_nodes"], trainer["strategy"]) == (devices, nodes, "ddp")
    assert trainer["sync_batchnorm"] is True and trainer["use_distributed_sampler"] is False
    assert call[-2:] == ["--ckpt_path", "last"] and call[1] == "1"


def test_torchrun_on_one_machine(launch, capsys):
    result, (call,) = launch("torchrun.sh", *GIVEN, DEVICES="3")
    assert result.returncode == 0
    assert call[:1] + call[2:6] == ["torchrun", "--standalone", "--nproc_per_node=3", "-m", "meshgait.cli"]
    check(call, "3", 1, capsys)


def test_torchrun_on_several_machines(launch, capsys):
    result, (call,) = launch("torchrun.sh", *GIVEN, DEVICES="2", NODES="4", NODE_RANK="1", MASTER="first")
    assert result.returncode == 0
    assert {"--nnodes=4", "--node_rank=1", "--master_addr=first", "--nproc_per_node=2"} < set(call)
    check(call, "2", 4, capsys)


@pytest.mark.parametrize(
    ("variables", "says"), [({}, "set DEVICES"), ({"DEVICES": "2", "NODES": "2", "NODE_RANK": "0"}, "MASTER")]
)
def test_what_is_missing_is_asked_for(launch, variables, says):
    if not variables and any(os.access(f"{folder}/nvidia-smi", os.X_OK) for folder in ("/usr/bin", "/bin")):
        pytest.skip("there are GPUs")
    result, calls = launch("torchrun.sh", *GIVEN, **variables)
    assert result.returncode != 0 and says in result.stderr and calls == []


SLURM = {"SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4", "SLURM_JOB_ID": "77"}


@pytest.mark.parametrize(("status", "again"), [(0, False), (143, True), (2, False)])
def test_slurm_takes_up_again_what_was_stopped_alone(launch, capsys, status, again):
    result, calls = launch("slurm.sh", *GIVEN, STATUS=str(status), **SLURM)
    assert result.returncode == status
    assert calls[0][0] == "srun"
    check(calls[0], "4", 2, capsys)
    assert [call[0] for call in calls[1:]] == ["scontrol"] * again
    assert not again or calls[1][2:] == ["requeue", "77"]


def test_slurm_copies_stores_once_to_each_machine(launch):
    _, calls = launch("slurm.sh", *GIVEN, STORES="data/a data/b", LOCAL="/local", **SLURM)
    copies = [call[2:] for call in calls[:-1]]
    assert copies == [
        ["--ntasks=2", "--ntasks-per-node=1", "rsync", "--archive", store, "/local/"]
        for store in ("data/a", "data/b")
    ]
    assert "fit" in calls[-1]


def test_slurm_is_told_what_the_trainer_heeds():
    options = [line for line in (LAUNCH / "slurm.sh").read_text().splitlines() if line.startswith("#SBATCH")]
    found = dict(line.removeprefix("#SBATCH --").partition("=")[::2] for line in options)
    assert found["ntasks-per-node"] == found["gpus-per-node"]
    assert found["signal"].split("@")[0] == "USR1" and "requeue" in found


@pytest.mark.parametrize("wanted", [True, False])
def test_norms_are_synchronised_unless_told_otherwise(tiny_store, tmp_path, monkeypatch, wanted):
    trainers = []
    monkeypatch.setattr(Trainer, "fit", lambda trainer, *_, **__: trainers.append(trainer))
    folder = f"--trainer.default_root_dir={tmp_path}"
    more = [] if wanted else ["--trainer.sync_batchnorm=false"]
    devices = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
    assert main(["fit", *GIVEN, folder, f"--data.store={tiny_store}", "--wandb=disabled", *devices, *more]) == 0
    assert isinstance(trainers[0].strategy._layer_sync, SyncBatchNormPlugin) is wanted


@pytest.mark.parametrize("first_sees_it", [True, False])
def test_the_first_process_says_whether_figures_are_missing(tmp_path, first_sees_it):
    """The others may look before it has written them, and would wait for ever in an evaluation of their own."""
    evaluated = []
    trainer = SimpleNamespace(
        default_root_dir=tmp_path, state=SimpleNamespace(finished=True), global_step=3, callbacks=[],
        estimated_stepping_batches=3, fast_dev_run=False, validate=lambda *_, **__: evaluated.append(1),
        strategy=SimpleNamespace(broadcast=lambda seen: first_sees_it),
    )  # fmt: skip
    MeshGaitCLI.after_fit(SimpleNamespace(trainer=trainer, model=None, datamodule=None))
    assert bool(evaluated) is not first_sees_it
