"""Half precision: islands of single precision stay exact, a step stays finite and near that of single."""

import dataclasses
import json
import warnings
from dataclasses import asdict

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from meshgait.batch import BodyEstimate, SmplTruth
from meshgait.body.heatmaps import expected_points, read_volumes
from meshgait.cli import main
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.evaluation.distances import pairwise
from meshgait.losses.classification import classification_loss
from meshgait.losses.triplet import between_subject_distance, triplet_loss
from meshgait.models.heads import StripClassifier, StripLinear
from meshgait.models.lifter import Lifter
from meshgait.models.mesh import MeshDecoder
from meshgait.stages.config import BodyConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.supervision import BodySupervision

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
FRAME, LABELS = (64, 44), torch.tensor([0, 0, 1, 1, 2, 2])


def spread(*shape):
    """Values that half precision rounds a lot."""
    return 100 + torch.randn(*shape)


def volumes():
    return torch.randn(6, 88, 4 * 16 * 11).softmax(-1).reshape(6, 88, 4, 16, 11)


def supervise(size, store):
    """Loss terms of perturbed joints, markers and meshes, as a tensor."""
    rows = [torch.from_numpy(store.smpl(0)[k][:6])[None] for k in ("poses", "betas", "cameras", "valid")]
    estimate = BodyEstimate(*read_volumes(volumes(), FRAME))
    supervision = BodySupervision(size, BodyConfig(decoder="simplex"))
    terms = supervision(estimate, SmplTruth(*rows), torch.ones(1, 6, dtype=torch.bool))[1]
    return torch.stack(list(terms.values()))


ISLANDS = {
    "triplet": lambda: triplet_loss(spread(6, 2, 8), LABELS),
    "separation": lambda: between_subject_distance(spread(6, 2, 8), LABELS),
    "distances": lambda: pairwise(spread(6, 2, 8), spread(6, 2, 8)),
    "classification": lambda: classification_loss(normalize(torch.randn(6, 2, 8), dim=-1), LABELS),
    "soft-argmax": lambda: torch.cat(read_volumes(volumes(), FRAME)[:2], -1),
    "soft-argmax of inference": lambda: expected_points(volumes(), FRAME),
    "linear": lambda: StripLinear(2, 8, 8)(spread(6, 2, 8)),
    "cosines": lambda: StripClassifier(2, 8, 5)(spread(6, 2, 8)),
    "mesh": lambda: MeshDecoder(torch.rand(8, 50).softmax(0), adaptive=True)(spread(6, 8, 3), torch.rand(6, 8)),
}


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("island", [*ISLANDS, "3D losses"])
def test_islands_are_exact_under_autocast(island, half, tiny_size, store):
    work = ISLANDS.get(island, lambda: supervise(dataclasses.replace(tiny_size, volume_depth=4), store))
    results = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", HALVES[half], enabled=enabled):
            results.append(work())
    assert results[1].dtype == torch.float32
    assert torch.equal(*results)


@pytest.mark.parametrize("half", HALVES)
def test_halves_within_an_island_are_made_single(half):
    x = spread(6, 2, 8).to(HALVES[half])
    linear = StripLinear(2, 8, 8)
    with torch.autocast("cpu", HALVES[half]):
        got = linear(x)
    assert torch.equal(got, linear(x.float()))


@pytest.mark.parametrize("half", HALVES)
def test_volumes_are_normalised_in_single_precision(half, tiny_size):
    lifter = Lifter(tiny_size)
    with torch.autocast("cpu", HALVES[half]):
        made = lifter.volumes(torch.randn(3, tiny_size.lifter_channels, 16, 11))
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.sum((2, 3, 4)), torch.ones(3, 88), atol=1e-5, rtol=0)


def step(stage, batch, half=None):
    """Loss terms and the gradients of a training step."""
    stage.zero_grad()
    with torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None):
        output = stage.network(batch.silhouettes, batch.mask, True)
        every, draws = stage.network.size.lift_every, torch.Generator().manual_seed(0)
        loss, terms, _ = stage.supervision(output.body, batch.truth.every(every), batch.mask[:, ::every], draws)
        terms |= {"triplet": triplet_loss(output.embeddings, batch.labels)}
        terms |= {"classification": classification_loss(output.logits, batch.labels)}
        (loss + terms["triplet"] + terms["classification"]).backward()
    assert {output.embeddings.dtype, output.logits.dtype, output.body.points.dtype} == {torch.float32}
    assert {term.dtype for term in terms.values()} == {torch.float32}
    return terms, torch.cat([p.grad.flatten() for p in stage.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize(("half", "near", "aligned"), [("bf16", 0.05, 0.9), ("fp16", 0.01, 0.98)])
def test_a_step_is_finite_and_near_that_of_single_precision(tiny_store, tiny_size, half, near, aligned):
    data = SilhouetteDataModule(str(tiny_store), subjects=4, sequences=4, frames=6, batches=1)
    (batch,) = data.train_dataloader()
    stage = RecogniseStage(tiny_size, 4, body=BodyConfig(decoder="simplex"))
    (exact, direction), (terms, gradient) = (step(stage, batch, h) for h in (None, HALVES[half]))
    assert gradient.isfinite().all()
    for name, wanted in exact.items():
        assert terms[name].item() == pytest.approx(wanted.item(), rel=near), name
    assert cosine_similarity(gradient, direction, dim=0) > aligned


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32", "bf16-mixed", "16-mixed"])
def test_half_precision_on_a_cpu_is_warned_of(tiny_store, tiny_size, tmp_path, capsys, precision):
    size = tmp_path / "size.yaml"
    size.write_text(json.dumps(asdict(tiny_size)))
    settings = {
        "trainer.default_root_dir": tmp_path / "run", "trainer.accelerator": "cpu", "trainer.max_epochs": 1,
        "trainer.precision": precision, "trainer.limit_val_batches": 0, "wandb": "disabled", "pictures": 0,
        "model": "meshgait.stages.reconstruct.ReconstructStage", "model.size": size,
        "data": "meshgait.data.datamodule.BodyDataModule", "data.store": tiny_store, "data.batch_size": 4,
        "data.batches": 1,
    }  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        assert main(["fit", *(f"--{name}={value}" for name, value in settings.items())]) == 0
    assert [w for w in caught if "fp16" in str(w.message)] == []
    said = [line for line in capsys.readouterr().err.splitlines() if "trainer.precision" in line]
    expected = [] if precision == "32" else ["meshgait: warning: trainer.precision is bf16-mixed on a CPU"]
    assert [line.split(",")[0] for line in said] == expected
