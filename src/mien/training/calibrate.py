"""Honest probabilities: one temperature a head and an age interval, fitted on validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mien.attributes.age import age_quantile
from mien.attributes.decoders import softmax
from mien.evaluation.metrics import coverage
from mien.training.labels import emotion_target
from mien.training.loader import Part
from mien.training.recipe import Recipe

TARGET_COVERAGE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was fitted.

    Attributes:
        temperature: By head.
        interval: Levels of the ends of the age interval.
        coverage: Share of validation ages inside it; ``None`` without ages in years.
    """

    temperature: dict[str, float]
    interval: tuple[float, float]
    coverage: float | None


def calibrate(
    logits: Sequence[Mapping[str, Tensor]], parts: Sequence[Part], recipe: Recipe
) -> Calibration:
    """Fit on answers for the validation splits; the test splits are never looked at.

    Args:
        logits: Logits over the labels by head, one mapping a part.
        parts: Validation splits.
        recipe: Of the model.
    """
    temperature = {}
    for head in recipe.heads:
        rows = [
            (answers[head].float(), _target(part, head, recipe.heads[head].labels))
            for answers, part in zip(logits, parts, strict=True)
        ]
        temperature[head] = best_temperature(
            torch.cat([values for values, _ in rows]), torch.cat([target for _, target in rows])
        )
    interval, share = (0.1, 0.9), None
    if "age" in recipe.heads:
        ages = [
            (softmax(a["age"].numpy(), temperature["age"]), p.labels.age_years.numpy())
            for a, p in zip(logits, parts, strict=True)
        ]
        probabilities = np.concatenate([p[~np.isnan(y)] for p, y in ages])
        years = np.concatenate([y[~np.isnan(y)] for _, y in ages])
        if len(years):
            interval = best_interval(probabilities, years)
            low, high = (age_quantile(probabilities, level) for level in interval)
            share = coverage(years, low, high)
    return Calibration(temperature=temperature, interval=interval, coverage=share)


def _target(part: Part, head: str, labels: Sequence[str]) -> Tensor:
    """Mask or distribution over the head's classes, zeros without a label.

    Votes on an expression count as their majority, where there is one: a confidence of 0.9 shall
    mean that most people agree with nine answers in ten. Fitted on the shares of the votes, it
    would say how many of ten people agree with one answer, and accuracy would exceed confidence.
    """
    if head == "emotion":
        found = [emotion_target(record, labels, "majority") for record in part.records]
        nothing = (0.0,) * len(labels)
        return torch.tensor([nothing if target is None else target for target in found])
    if head == "gender":
        return part.labels.gender
    years = part.labels.age_years
    known = ~torch.isnan(years)
    target = torch.zeros(len(years), part.labels.age_bin.shape[1])
    index = torch.nan_to_num(years).round().long().clamp(0, target.shape[1] - 1)
    target[known, index[known]] = 1.0
    # Bins count as a set: any age inside is right.
    return torch.where(known[:, None], target, part.labels.age_bin)


def best_temperature(logits: Tensor, target: Tensor) -> float:
    """Temperature with the smallest negative log-likelihood, found on a fine grid.

    Rows of `target` are a distribution over classes, or several ones: then the mass inside counts;
    zeros are no label. Without a single label the temperature is 1.
    """
    known = target.sum(1) > 0
    if not known.any():
        return 1.0
    logits, target = logits[known].double(), target[known].double()
    is_set = target.sum(1) > 1.5
    grid = np.exp(np.linspace(np.log(0.4), np.log(4.0), 120))
    losses = []
    for temperature in grid:
        log_p = torch.log_softmax(logits / float(temperature), dim=1)
        inside = torch.logsumexp(log_p.masked_fill(target <= 0, -torch.inf), dim=1)
        soft = (target * log_p).sum(dim=1)
        losses.append(float(-torch.where(is_set, inside, soft).mean()))
    return round(float(grid[int(np.argmin(losses))]), 4)


def best_interval(
    probabilities: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    years: np.ndarray[tuple[int, ...], np.dtype[np.floating]],
) -> tuple[float, float]:
    """Symmetric levels whose interval covers `TARGET_COVERAGE` of the validation ages.

    The conformal step of Romano, Patterson, Candès, "Conformalized Quantile Regression",
    NeurIPS 2019, with the level in place of an additive margin, so that uncertain faces get
    wider intervals.
    """
    levels = np.linspace(0.005, 0.3, 119)
    shares = [
        coverage(years, age_quantile(probabilities, a), age_quantile(probabilities, 1 - a))
        for a in levels
    ]
    # With n faces the finite-sample guarantee asks for a little more than the target.
    wanted = min(1.0, TARGET_COVERAGE * (1 + 1 / max(1, len(years))))
    good = [a for a, share in zip(levels, shares, strict=True) if share >= wanted]
    a = round(float(max(good, default=levels[0])), 4)
    return a, round(1 - a, 4)
