"""Optimisers, learning rates, sharpness-aware minimisation and the average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from mien.training.muon import Muon
from mien.training.tables import TrainTable

HEADS = ("network.heads.", "forms.")
"""What belongs to the heads of a `Model`; everything else is its trunk."""

ADAPTIVE: Mapping[str, Callable[..., torch.optim.Optimizer]] = MappingProxyType(
    {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "muon": Muon}
)
"""Optimisers by name that choose the length of their steps themselves."""

SHARE = "share"
"""Key of a parameter group: its rate as a share of the schedule's."""


def make_optimiser(model: nn.Module, table: TrainTable) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, Adam, AdamW or Muon over everything that is not frozen.

    The first groups are those of the heads, which learn at the full rate; the trunk has
    ``trunk_rate`` of it.
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {
            "params": [
                p
                for name, p in trained
                if name.startswith(HEADS) == is_head and (p.ndim > 1) == is_weight
            ],
            "weight_decay": table.weight_decay if is_weight else 0.0,
            SHARE: 1.0 if is_head else table.trunk_rate,
        }
        for is_head in (True, False)
        for is_weight in (True, False)
    ]
    if table.optimiser == "sgd":
        return torch.optim.SGD(
            groups, lr=table.learning_rate, momentum=table.momentum, nesterov=table.momentum > 0
        )
    return ADAPTIVE[table.optimiser](groups, lr=table.learning_rate)


class Schedule:
    """Sets the learning rate before every step.

    Args:
        optimiser: Whose rate is set; its groups are those of `make_optimiser`.
        table: Which schedule.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, table: TrainTable) -> None:
        self.optimiser = optimiser
        self.table = table
        # Torch's own threshold is relative, which lets a negative value "improve" by standing
        # still, and it waits one evaluation more than its patience.
        self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser,
            mode="max",
            factor=table.factor,
            patience=table.plateau - 1,
            threshold=0.0,
            threshold_mode="abs",
        )
        self._set(table.learning_rate)

    @property
    def rate(self) -> float:
        """The rate of the heads in the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def before_step(self, step: int) -> None:
        """Set the rate of step number `step`."""
        if self.table.schedule != "plateau":
            self._set(learning_rate(self.table, step))

    def _set(self, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group[SHARE]

    def after_evaluation(self, value: float) -> None:
        """Lower the rate when `value`, of which more is better, has stopped rising."""
        if self.table.schedule == "plateau":
            self._plateau.step(value)
            self._set(self.rate)  # torch leaves rates alone that are next to nothing

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, JSON-ready."""
        if self.table.schedule != "plateau":
            return {}
        wanted = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        return {"rate": self.rate} | {key: self._plateau.state_dict()[key] for key in wanted}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        if not state:
            return
        self._set(state["rate"])
        self._plateau.load_state_dict({k: v for k, v in state.items() if k != "rate"})


def learning_rate(table: TrainTable, step: int) -> float:
    """Rate of one step: linear climb and cosine (one-cycle), cosine alone, or constant."""
    if table.schedule == "constant":
        return table.learning_rate
    climb = max(1, round(table.warmup * table.steps)) if table.schedule == "one-cycle" else 0
    if step < climb:
        return table.learning_rate * (step + 1) / climb
    progress = (step - climb) / max(1, table.steps - climb)
    return table.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


@contextmanager
def _still_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norm learns no running statistics from the perturbed weights."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum


def sharpness_aware(model: nn.Module, radius: float, backward: Callable[[], object]) -> None:
    """Replace the gradient by the one at the worst point within `radius`.

    Foret, Kleiner, Mobahi, Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving
    Generalization", ICLR 2021, algorithm 1.

    Args:
        model: Holds the gradient of the present point.
        radius: Length of the step uphill.
        backward: Computes the gradient anew.
    """
    with torch.no_grad():
        touched = [p for p in model.parameters() if p.grad is not None]
        length = torch.stack([p.grad.norm() for p in touched if p.grad is not None]).norm()
        steps = [p.grad * (radius / (length + 1e-12)) for p in touched if p.grad is not None]
        for parameter, step in zip(touched, steps, strict=True):
            parameter.add_(step)
            parameter.grad = None
    with _still_statistics(model):
        backward()
    with torch.no_grad():
        for parameter, step in zip(touched, steps, strict=True):
            parameter.sub_(step)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the present ones."""
    # Early weights are noise: the average starts short and grows to its full length.
    decay = min(decay, (1 + step) / (10 + step))
    pairs: Iterator[tuple[Tensor, Tensor]] = zip(
        average.state_dict().values(), model.state_dict().values(), strict=True
    )
    for old, new in pairs:
        if old.dtype.is_floating_point:
            old.lerp_(new, 1 - decay)
        else:
            old.copy_(new)
