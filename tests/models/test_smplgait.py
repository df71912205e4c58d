import pytest
import torch

from meshgait.batch import SmplTruth
from meshgait.errors import ConfigError
from meshgait.models.meshgait import MeshGait
from meshgait.models.smplgait import SmplTransform


def smpl(sequences, frames, valid=True):
    shape = (sequences, frames)
    parts = (torch.randn(*shape, n) for n in (72, 10, 3))
    return SmplTruth(*parts, valid=torch.full(shape, valid))


def test_the_map_is_multiplied_by_the_identity_and_what_the_parameters_say():
    transform = SmplTransform(4).eval()
    maps, rows, valid = torch.randn(3, 2, 4, 3), torch.randn(3, 85), torch.tensor([True, True, False])
    got = transform(maps, rows, valid)
    change = transform.net(rows)
    for n in range(3):
        matrix = torch.eye(4) + (change[n].reshape(4, 4) if valid[n] else 0)
        for c in range(2):
            wide = torch.cat([maps[n, c], torch.zeros(4, 1)], dim=1)
            torch.testing.assert_close(got[n, c], wide @ matrix)


def test_parameters_change_the_embedding_and_invalid_ones_do_not(tiny_size):
    network = MeshGait(tiny_size, use_3d=False, reads_smpl=True).eval()
    walks, mask = (torch.rand(2, 3, 64, 44) > 0.5).float(), torch.ones(2, 3, dtype=torch.bool)
    one, other = (network(walks, mask, smpl=smpl(2, 3)).embeddings for _ in range(2))
    assert not torch.allclose(one, other)
    one, other = (network(walks, mask, smpl=smpl(2, 3, valid=False)).embeddings for _ in range(2))
    assert torch.equal(one, other)
    # without a change it is the baseline: zeros beside the map add nothing to the maximum of positive values
    plain = MeshGait(tiny_size, use_3d=False).eval()
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("transform")})
    assert not torch.allclose(one, plain(walks, mask).embeddings)  # the mean over a strip is of a wider map


def test_it_asks_for_parameters(tiny_size):
    network = MeshGait(tiny_size, use_3d=False, reads_smpl=True)
    with pytest.raises(ConfigError, match="reads SMPL parameters"):
        network(torch.rand(1, 2, 64, 44), torch.ones(1, 2, dtype=torch.bool))


def test_3d_is_read_or_reconstructed_not_both(tiny_size):
    with pytest.raises(ConfigError, match="use_3d"):
        MeshGait(tiny_size, use_3d=True, reads_smpl=True)
