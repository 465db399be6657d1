"""Muon: convolutions learn by steps whose directions all count the same.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", kellerjordan.github.io,
2024. `torch.optim.Muon` takes matrices only; here a filter is a row, whatever its shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
"""Share of the old direction that every step keeps, as in the source."""

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the source's Newton-Schulz iteration: singular values end between 0.7 and 1.2."""

ITERATIONS = 5

RMS = 0.2
"""Root mean square of a step at rate 1, about that of AdamW's, so that both need the same rate.

Liu et al., "Muon is Scalable for LLM Training", 2025, arXiv 2502.16982, section 2.2.
"""


class Muon(torch.optim.AdamW):
    """Muon for the weights of convolutions, AdamW for everything else.

    Takes what `torch.optim.AdamW` takes; weights decay beside the gradient in both.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of everything that has a gradient; those of convolutions are used up.

        Args:
            closure: Not taken: the gradient must be there.

        Raises:
            ValueError: There is one.
        """
        if closure is not None:
            raise ValueError("Muon takes no closure: compute the gradient first")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim == 4 and weight.grad is not None:
                    self._move(weight, weight.grad, group["lr"], group["weight_decay"])
                    weight.grad = None  # AdamW passes over what has none
        return super().step()

    def _move(self, weight: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        average = state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(average, MOMENTUM)  # Nesterov: one step further
        step = orthogonal(ahead.flatten(1))
        weight.mul_(1 - rate * decay)
        weight.add_(step.view(weight.shape), alpha=-rate * RMS * math.sqrt(max(step.shape)))


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with the same directions whose singular values are all about one.

    Args:
        matrix: Shape ``(m, n)``; zeros stay zeros.

    Returns:
        The same shape, computed in bfloat16.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide = (matrix.T if tall else matrix).bfloat16()
    wide = wide / wide.norm().clamp(min=1e-7)  # the iteration needs singular values up to one
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        square = wide @ wide.T
        polynomial = torch.addmm(square, square, square, beta=b, alpha=c)
        wide = torch.addmm(wide, polynomial, wide, beta=a)
    return (wide.T if tall else wide).to(matrix.dtype)
