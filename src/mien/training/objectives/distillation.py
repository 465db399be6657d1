"""Learn from trained networks instead of, or beside, labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mien.errors import ConfigError
from mien.training.objectives import Objective, Task, objectives


def distillation(task: Task) -> tuple[Tensor, Tensor]:
    """Kullback-Leibler divergence to the teachers' softened answer; needs no labels.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015; times the squared
    temperature, so that its gradient keeps its size.

    Raises:
        ConfigError: No teacher answers this head.
    """
    if task.teacher is None:
        raise ConfigError(f"[heads.{task.head}]: no teacher answers it")
    temperature = task.teaching.temperature
    log_p = F.log_softmax(task.logits / temperature, dim=1)
    values = F.kl_div(log_p, task.teacher, reduction="none").sum(1) * temperature**2
    return values, torch.ones(len(values), dtype=torch.bool, device=values.device)


def softened(logits: list[Tensor], temperature: float) -> Tensor:
    """Mean of the teachers' probabilities at a temperature, ``(n, labels)``."""
    return torch.stack([torch.softmax(x / temperature, dim=1) for x in logits]).mean(0)


objectives.register("distillation")(Objective(distillation, form="any"))
