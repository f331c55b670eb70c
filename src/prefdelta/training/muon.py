"""Muon (arXiv 2502.16982) for many small matrices: those of one shape are orthogonalised together."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def muon(parameters: "Sequence[torch.nn.Parameter]", learning_rate: float) -> "torch.optim.Optimizer":
    """torch.optim.Muon without weight decay, for matrices; about four times as fast for a small model on a CPU.

    Each step does the same arithmetic as torch's, matrix by matrix. A product of stacked matrices and the product of
    each may round differently on some machine, so the weights agree to the rounding of bfloat16, in which Muon
    orthogonalises; where this was measured they have the same bits.
    """
    import torch

    class StackedMuon(torch.optim.Muon):
        @torch.no_grad()
        def step(self, closure: Any = None) -> None:  # type: ignore[override]  # it takes no closure
            for group in self.param_groups:
                matrices: list[torch.Tensor] = []
                gradients: list[torch.Tensor] = []
                momenta: list[torch.Tensor] = []
                self._init_group(group, matrices, gradients, momenta)
                updates = []
                for gradient, momentum in zip(gradients, momenta, strict=True):
                    momentum.lerp_(gradient, 1 - group["momentum"])
                    updates.append(gradient.lerp(momentum, group["momentum"]))
                updates = _orthogonal(updates, group["ns_coefficients"], group["ns_steps"], group["eps"])
                for matrix, update in zip(matrices, updates, strict=True):
                    rows, columns = matrix.shape
                    matrix.add_(update, alpha=-group["lr"] * math.sqrt(max(1, rows / columns)))

    return StackedMuon(parameters, lr=learning_rate, weight_decay=0.0)


def _orthogonal(
    matrices: "list[torch.Tensor]", coefficients: tuple[float, float, float], steps: int, smallest: float
) -> "list[torch.Tensor]":
    """Each matrix as torch.optim.Muon orthogonalises it, by Newton and Schulz's iteration in bfloat16."""
    import torch

    wide = [matrix.bfloat16() if matrix.shape[0] <= matrix.shape[1] else matrix.bfloat16().T for matrix in matrices]
    by_shape: dict[torch.Size, list[int]] = defaultdict(list)
    for place, matrix in enumerate(wide):
        by_shape[matrix.shape].append(place)
    linear, cubic, quintic = coefficients
    found = list(wide)
    for places in by_shape.values():
        norms = torch.stack([wide[place].norm().clamp(min=smallest) for place in places])
        stacked = torch.stack([wide[place] for place in places]) / norms.view(-1, 1, 1)
        for _ in range(steps):
            gram = stacked @ stacked.mT
            stacked = torch.baddbmm(
                stacked, torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic), stacked, beta=linear
            )
        for place, matrix in zip(places, stacked, strict=True):
            found[place] = matrix
    return [
        matrix if original.shape == matrix.shape else matrix.T for original, matrix in zip(matrices, found, strict=True)
    ]
