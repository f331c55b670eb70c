"""Muon of stacked matrices beside torch's own."""

import pytest
import torch

from prefdelta.training.muon import muon

SHAPES = [(16, 16), (16, 16), (32, 16), (16, 32), (32, 16), (8, 40)]
ROUNDING = 2**-7  # of bfloat16, in which a step is made; measured: no difference
RATE = 0.02


@pytest.fixture
def trained():
    """Matrices after twenty steps by an optimiser, from the same start with the same gradients."""

    def train(optimizer_of):
        generator = torch.Generator().manual_seed(0)
        matrices = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
        optimizer = optimizer_of(matrices)
        for _ in range(20):
            for matrix in matrices:
                matrix.grad = torch.randn(matrix.shape, generator=generator)
            optimizer.step()
        return matrices, optimizer

    return train


def test_it_makes_torchs_steps(trained):
    ours, _ = trained(lambda matrices: muon(matrices, RATE))
    theirs, _ = trained(lambda matrices: torch.optim.Muon(matrices, lr=RATE, weight_decay=0.0))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=20 * RATE * ROUNDING)
        assert one.abs().max() > 0.5  # far more than the tolerance


def test_its_state_is_torchs(trained):
    _, ours = trained(lambda matrices: muon(matrices, RATE))
    _, theirs = trained(lambda matrices: torch.optim.Muon(matrices, lr=RATE, weight_decay=0.0))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


def test_a_matrix_without_a_gradient_stays():
    matrices = [torch.nn.Parameter(torch.ones(4, 4)) for _ in range(2)]
    optimizer = muon(matrices, RATE)
    matrices[0].grad = torch.eye(4)
    optimizer.step()
    assert torch.equal(matrices[1], torch.ones(4, 4))
    assert not torch.equal(matrices[0], torch.ones(4, 4))
