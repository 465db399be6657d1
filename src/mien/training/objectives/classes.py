"""Objectives for classes: expressions, gender, age groups, or every age as a class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mien.training.objectives import Objective, Task, objectives


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy to a distribution over classes, one value a row ``(n,)``."""
    return -(target * F.log_softmax(logits, dim=1)).sum(dim=1)


def group_matrix(task: Task) -> Tensor:
    """Which age belongs to which group, ``(101, groups)``; the identity without groups."""
    ages = task.labels.age_bin.shape[1]
    if not task.table.groups:
        return torch.eye(ages, device=task.raw.device)
    matrix = torch.zeros(ages, len(task.table.groups), device=task.raw.device)
    for column, group in enumerate(task.table.age_groups):
        matrix[group.low : group.high + 1, column] = 1.0
    return matrix


def class_target(task: Task) -> Tensor:
    """Distribution over the classes of a head ``(n, classes)``; zeros where there is no label.

    Ages become the class that they fall into; a bin of ages is spread over its classes.
    """
    if task.head == "emotion":
        return task.labels.emotion
    if task.head == "gender":
        return task.labels.gender
    years, bins = task.labels.age_years, task.labels.age_bin
    known = ~torch.isnan(years)
    exact = F.one_hot(torch.nan_to_num(years).round().long(), bins.shape[1]).to(bins.dtype)
    spread = bins / bins.sum(1, keepdim=True).clamp(min=1)
    return torch.where(known[:, None], exact, spread) @ group_matrix(task)


def _with_mask(values: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return values, target.sum(1) > 0


def cross_entropy(task: Task) -> tuple[Tensor, Tensor]:
    """Cross-entropy to one label, or to shares of votes (soft labels)."""
    target = class_target(task)
    return _with_mask(soft_cross_entropy(task.raw, target), target)


def label_smoothing(task: Task) -> tuple[Tensor, Tensor]:
    """Cross-entropy with a share of the target spread over all classes.

    Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7.
    """
    target = class_target(task)
    smooth = (1 - task.table.smoothing) * target + task.table.smoothing / target.shape[1]
    return _with_mask(soft_cross_entropy(task.raw, smooth), target)


def focal(task: Task) -> tuple[Tensor, Tensor]:
    """Cross-entropy in which easy faces count less.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4, for soft labels.
    """
    target = class_target(task)
    log_p = F.log_softmax(task.raw, dim=1)
    # A power below one has no slope at zero, where a sure answer stands.
    missing = (1 - log_p.exp()).clamp(min=1e-6)
    values = -(target * missing**task.table.gamma * log_p).sum(dim=1)
    return _with_mask(values, target)


def multi_target(task: Task) -> tuple[Tensor, Tensor]:
    """Any of the classes that enough people named is right; for the filter of the same name.

    Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
    Label Distribution", ICMI 2016, section 3.2: minus the log of the best probability among them.
    """
    target = class_target(task)
    log_p = F.log_softmax(task.raw, dim=1).masked_fill(target <= 0, -torch.inf)
    best = torch.where(target.sum(1) > 0, log_p.amax(1), torch.zeros_like(log_p[:, 0]))
    return _with_mask(-best, target)


for _name, _loss in {
    "cross-entropy": cross_entropy,
    "label-smoothing": label_smoothing,
    "focal": focal,
    "multi-target": multi_target,
}.items():
    objectives.register(_name)(Objective(_loss))
