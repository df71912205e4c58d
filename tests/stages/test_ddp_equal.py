"""Two processes (gloo, CPU) compute what one would: sums, norms, losses, gradients, whole fits of both stages."""

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
import torch
import torch.distributed as dist
from einops import rearrange
from lightning import Callback, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from meshgait import distributed
from meshgait.batch import BodyEstimate, SmplTruth
from meshgait.body.heatmaps import read_volumes
from meshgait.data.datamodule import BodyDataModule, SilhouetteDataModule
from meshgait.data.store import Store
from meshgait.data.transforms import Augmentation
from meshgait.losses.triplet import between_subject_distance, triplet_loss
from meshgait.models.meshgait import NetworkConfig
from meshgait.models.sync_batchnorm import CpuSyncBatchNorm, convert_sync_batchnorm, revert_sync_batchnorm
from meshgait.stages.config import BodyConfig, Branch3DConfig, OptimizerConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from meshgait.stages.supervision import BodySupervision
from meshgait.stages.sync_batchnorm_plugin import SyncBatchNormPlugin
from tests.conftest import TINY
from tests.stages.two_processes import in_two_processes

pytestmark = pytest.mark.slow

ALL = Augmentation(flip=0.5, rotate=20, scale=0.2, shift=4, erase=0.5, coarse=0.5, thickness=0.5)
SIMPLEX = BodyConfig(decoder="simplex")
FITS = {
    "stage 1": {"body": SIMPLEX, "augmentation": ALL},
    "few frames": {"body": SIMPLEX, "branch_3d": Branch3DConfig(frames=7), "augmentation": ALL},
    "2d": {"network": NetworkConfig(use_3d=False), "checkpointing": True},
    "body store": {"body": SIMPLEX, "branch_3d": Branch3DConfig(frames=0, augmentation=ALL)},
}
PRECISIONS = {  # in single precision AdamW would make much of gradients that are nothing but rounding
    "32-true": OptimizerConfig("sgd", lr=1e-4),
    "64-true": OptimizerConfig("adamw", lr=1e-3),
}
COMPARED = [(case, "64-true") for case in FITS] + [(case, "32-true") for case in ("stage 1", "few frames")]
LIMITS = {"all frames": (0, 0), "few frames": (5, 2), "frames of one rank alone": (0, 3)}
SHARES = {"norm 2d": (3, 5), "norm 1d": (1, 6)}


def share(rows, rank, world):
    """A rank's of some rows."""
    return rows.chunk(world)[rank]


def sums(rank, world):
    """What `ranks` says of numbers 1..6, shared out, and gradients of a sum of squares."""
    rows = share(torch.arange(1.0, 7.0), rank, world).requires_grad_()
    (distributed.all_gather(rows) * torch.arange(6.0)).sum().backward()
    through, rows.grad = rows.grad, None
    distributed.all_reduce_sum(rows.sum()).square().backward()
    counts = torch.tensor([6 // world, 0, 12 * (rank == world - 1)])
    return {
        "gathered": distributed.all_gather(rows.long()),
        "total": distributed.all_reduce_sum(rows.sum()),
        "mean": distributed.all_reduce_mean(rows.mean()),
        "most": torch.tensor(distributed.all_reduce_max(rank, rows.device)),
        "shares": distributed.share_factors(counts),
        "through gather": through,
        "through total": rows.grad,
        "who": torch.tensor([distributed.rank(), distributed.world_size()]),
    }


def norms(rank, world):
    """Outputs, gradients and statistics of norms over unequal shares, and after `revert_sync_batchnorm`."""
    found = {}
    for name, counts in SHARES.items():
        torch.manual_seed(1)
        norm = nn.BatchNorm2d(4) if name == "norm 2d" else nn.BatchNorm1d(4)
        nn.init.normal_(norm.weight)
        x = 3 + torch.randn(sum(counts), 4, *((5, 2) if name == "norm 2d" else ()))
        goal = torch.randn_like(x)
        x, goal = ((v.split(counts)[rank] if world > 1 else v) for v in (x, goal))
        x.requires_grad_()
        convert_sync_batchnorm(net := nn.Sequential(norm))
        assert type(net[0]) is CpuSyncBatchNorm
        y = net(x)
        (y * goal).sum().backward()
        gradients = [distributed.all_reduce_sum(p.grad) for p in norm.parameters()]
        before = [buffer.clone() for buffer in norm.buffers()]
        revert_sync_batchnorm(net)
        assert isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d))
        rows = (y.detach(), x.grad, net.eval()(x).detach())
        found |= {f"{name} {n}": v for n, v in enumerate(rows)}
        found |= {f"{name} whole {n}": v for n, v in enumerate([*gradients, *before])}
    return found


def triplets(rank, world):
    """Loss and gradient where subjects lie across ranks; one subject has a sequence on each."""
    torch.manual_seed(2)
    embeddings, labels = torch.randn(8, 3, 5), torch.tensor([4, 4, 4, 7, 7, 1, 1, 1])
    own = share(embeddings, rank, world).requires_grad_()
    loss = triplet_loss(own, share(labels, rank, world), margin=0.5)
    loss.backward()
    distance = between_subject_distance(own, share(labels, rank, world))
    return {"whole loss": distributed.all_reduce_mean(loss), "whole distance": distance, "rows": own.grad / world}


def bodies(rank, world, store):
    """3D losses and gradients with unequal numbers of valid frames, of which a rank may even have none."""
    rows = [Store(store).smpl(i) for i in (0, 11, 22, 33)]
    columns = (torch.stack([torch.from_numpy(r[k][:4]) for r in rows]) for k in ("poses", "betas", "cameras"))
    poses, betas, cameras = columns
    cameras[2:, ..., 1:] += 20  # some points lie outside of the volumes
    poses, betas, cameras = (share(x, rank, world) for x in (poses, betas, cameras))
    found = {}
    for name, (frames, mesh_frames) in LIMITS.items():
        torch.manual_seed(3)
        volume = (4, 16, 11)
        logits = share(torch.randn(16, 88, 4 * 16 * 11), rank, world).requires_grad_()
        probabilities = rearrange(logits.softmax(-1), "n k (d h w) -> n k d h w", d=4, h=16)
        valid = torch.ones(4, 4, dtype=torch.bool)
        valid[0, 1:] = valid[2, 2] = False
        if "alone" in name:
            valid[:2] = False
        size = dataclasses.replace(TINY, volume_depth=volume[0])
        supervision = BodySupervision(size, SIMPLEX, frames, mesh_frames)
        truth = SmplTruth(poses, betas, cameras, share(valid, rank, world))
        estimate = BodyEstimate(*read_volumes(probabilities, TINY.frame))
        mask = torch.ones_like(truth.valid)
        loss, terms, reading = supervision(estimate, truth, mask, torch.Generator().manual_seed(5))
        loss.backward()
        gamma = distributed.all_reduce_mean(supervision.mesh.gamma.grad)
        found |= {f"{name} rows": logits.grad / world, f"{name} whole gamma": gamma}
        found |= {f"{name} whole {term}": distributed.all_reduce_mean(value) for term, value in terms.items()}
        numbers = torch.tensor([len(reading.joints), len(reading.vertices)])
        found[f"{name} whole count"] = distributed.all_reduce_sum(numbers)
    return found


class Losses(Callback):
    """Keeps what is logged at each step, by name."""

    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer, *_):
        logged = trainer.logged_metrics.items()
        self.steps.append({name: float(value) for name, value in logged if name.startswith("train/")})


def fit(case, store, folder, world, precision):
    """Three steps of a stage; figures of each and the weights."""
    torch.manual_seed(0)
    options = FITS[case] | {"optimizer": PRECISIONS[precision]}
    if case == "stage 1":
        data, stage = BodyDataModule(store, batch_size=6, batches=3), ReconstructStage(TINY, **options)
    else:
        body = {"body_store": store, "body_frames": 4, "truth": False} if case == "body store" else {}
        data = SilhouetteDataModule(store, subjects=3, sequences=2, frames=3, batches=3, **body)
        stage = RecogniseStage(TINY, 4, **options)
    both = DDPStrategy(process_group_backend="gloo", timeout=timedelta(seconds=120)) if world > 1 else "auto"
    losses = Losses()
    runner = Trainer(
        default_root_dir=folder, accelerator="cpu", devices=world, strategy=both, max_epochs=1, callbacks=[losses],
        precision=precision, plugins=[SyncBatchNormPlugin()], logger=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, enable_checkpointing=False,
        limit_val_batches=0, log_every_n_steps=1,
    )  # fmt: skip
    runner.fit(stage, data)
    assert not any(isinstance(module, CpuSyncBatchNorm) for module in stage.modules())
    return losses.steps, {name: value.numpy().copy() for name, value in stage.state_dict().items()}


def compute(rank, world, store, folder):
    """All that is compared."""
    parts = {"sums": sums(rank, world), "norms": norms(rank, world), "triplets": triplets(rank, world)}
    parts["bodies"] = bodies(rank, world, store)
    arrays = {part: {n: v.detach().numpy() for n, v in found.items()} for part, found in parts.items()}
    fits = {}
    for case, precision in COMPARED:
        with pytest.MonkeyPatch.context() as patch:
            if precision == "64-true":  # double, too, where single is kept to under autocast
                patch.setattr(torch.Tensor, "float", torch.Tensor.double)
            fits[case, precision] = fit(case, store, folder, world, precision)
    return arrays | fits


def compute_together(rank, store, folder):
    """`compute` as one of two."""
    dist.init_process_group("gloo", rank=rank, world_size=2, timeout=timedelta(seconds=120))
    return compute(rank, 2, store, folder)


@pytest.fixture(scope="module")
def results(tiny_store, tmp_path_factory):
    """Of two processes, and of one alone."""
    folder, store = tmp_path_factory.mktemp("runs"), str(tiny_store)
    return *in_two_processes(compute_together, store, folder), compute(0, 1, store, folder)


@pytest.mark.parametrize("part", ["norms", "triplets", "bodies"])
def test_parts_are_those_of_the_whole_batch(results, part):
    """ "Whole" figures are the same on both ranks; the rest lies row behind row."""
    first, second, alone = (result[part] for result in results)
    assert first.keys() == second.keys() == alone.keys()
    for name, wanted in alone.items():
        if "whole" in name:
            np.testing.assert_allclose(first[name], second[name], rtol=1e-5, atol=1e-6, err_msg=name)
            got = first[name]
        else:
            got = np.concatenate([first[name], second[name]])
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-6, err_msg=name)


def test_what_ranks_tell_each_other(results):
    first, second, alone = (result["sums"] for result in results)
    for result in (first, second, alone):
        assert result["gathered"].tolist() == [1, 2, 3, 4, 5, 6]
        assert result["total"] == 21 and result["mean"] == 3.5
    assert [first["who"].tolist(), second["who"].tolist(), alone["who"].tolist()] == [[0, 2], [1, 2], [0, 1]]
    assert first["most"] == second["most"] == 1
    assert first["shares"].tolist() == [1, 0, 0] and second["shares"].tolist() == [1, 0, 2]
    assert alone["shares"].tolist() == [1, 1, 1]
    # both ranks' losses are the same, and each hears of both
    assert first["through gather"].tolist() == [0, 2, 4] and second["through gather"].tolist() == [6, 8, 10]
    assert first["through total"].tolist() == second["through total"].tolist() == [84, 84, 84]


def test_limits_of_frames_are_those_of_the_batch(results):
    first, second, alone = (result["bodies"] for result in results)
    assert {name: alone[f"{name} whole count"].tolist() for name in LIMITS} == {
        "all frames": [12, 12], "few frames": [5, 2], "frames of one rank alone": [7, 3]
    }  # fmt: skip
    name = "frames of one rank alone rows"
    assert not first[name].any() and second[name].any()


@pytest.mark.parametrize(("case", "precision"), COMPARED)
def test_losses_and_weights_are_those_of_one_process(results, case, precision):
    """To rounding: double precision tells an exact equality from a small difference."""
    (first, weights), (second, others), (alone, expected) = (result[case, precision] for result in results)
    assert len(alone) == 3 and first == second
    assert {"train/loss"} < alone[0].keys() == first[0].keys()
    exact = precision == "64-true"
    for step, wanted in zip(first, alone, strict=True):
        assert step == pytest.approx(wanted, rel=1e-10 if exact else 5e-4)
    for name, value in expected.items():
        np.testing.assert_array_equal(weights[name], others[name], err_msg=name)
        np.testing.assert_allclose(weights[name], value, rtol=0, atol=1e-9 if exact else 2e-4, err_msg=name)
