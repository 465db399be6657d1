"""Honest probabilities: one temperature a head and an age interval, fitted on validation data."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mien.attributes.age import FloatArray, age_interval
from mien.attributes.decoders import softmax
from mien.evaluation.metrics import coverage
from mien.training.labels import emotion_target
from mien.training.loader import Part
from mien.training.recipe import Recipe

TARGET_COVERAGE = 0.8

AGE_EDGES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0)
"""Every decade of labels gets levels of its own, those from 70 on together."""

FEWEST = 100
"""A decade with fewer validation faces has no levels of its own."""

LEVELS: tuple[float, ...] = tuple(np.linspace(0.005, 0.45, 179).round(4).tolist())
"""Lower levels that are tried; the upper ones lie as far from 1."""

ROUNDS = 3
"""How often the levels of neighbouring decades are fitted to each other."""

Rows = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was fitted.

    Attributes:
        temperature: By head.
        interval: Levels of the ends of the age interval, one pair for all.
        interval_by_age: The same age by age, see `HeadSpec.interval_by_age`; empty where
            validation faces are too few or of one decade.
        coverage: Share of validation ages inside it; ``None`` without ages in years.
    """

    temperature: dict[str, float]
    interval: tuple[float, float]
    coverage: float | None
    interval_by_age: Rows = ()


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
    by_age: Rows = ()
    if "age" in recipe.heads:
        ages = [
            (softmax(a["age"].numpy(), temperature["age"]), p.labels.age_years.numpy())
            for a, p in zip(logits, parts, strict=True)
        ]
        probabilities = np.concatenate([p[~np.isnan(y)] for p, y in ages])
        years = np.concatenate([y[~np.isnan(y)] for _, y in ages])
        if len(years):
            interval = best_interval(probabilities, years)
            by_age = best_interval_by_age(probabilities, years)
            share = _covered(probabilities, years, interval, by_age)
    return Calibration(
        temperature=temperature, interval=interval, interval_by_age=by_age, coverage=share
    )


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


def best_interval(probabilities: FloatArray, years: FloatArray) -> tuple[float, float]:
    """Symmetric levels whose interval covers `TARGET_COVERAGE` of the validation ages.

    The conformal step of Romano, Patterson, Candès, "Conformalized Quantile Regression",
    NeurIPS 2019, with the level in place of an additive margin, so that uncertain faces get
    wider intervals.
    """
    wanted = _wanted(len(years))
    low = _largest(lambda a: _covered(probabilities, years, (a, 1 - a)) >= wanted)
    return low, round(1 - low, 4)


def best_interval_by_age(probabilities: FloatArray, years: FloatArray) -> Rows:
    """Levels for every decade of labels, each fitted on the faces of that age.

    One pair of levels covers a face out of ten too many among small children, whose ages are easy,
    and too few among teenagers and people in their forties. So whether an age belongs to the
    interval is asked of that age's own levels: then people of every decade are covered alike,
    whatever they look like. That is label-conditional conformal prediction: Vovk, "Conditional
    Validity of Inductive Conformal Predictors", ACML 2012; straight lines between the decades'
    medians keep the levels from jumping.

    Args:
        probabilities: Shape ``(n, 101)``.
        years: Labels, shape ``(n,)``.

    Returns:
        Rows for `HeadSpec.interval_by_age`; none with fewer than two decades.
    """
    group = np.digitize(years, AGE_EDGES)
    groups = [inside for k in range(len(AGE_EDGES) + 1) if (inside := group == k).sum() >= FEWEST]
    if len(groups) < 2:
        return ()
    ages = [round(float(np.median(years[inside])), 1) for inside in groups]
    lows = [best_interval(probabilities[inside], years[inside])[0] for inside in groups]

    def rows() -> Rows:
        return tuple((age, low, round(1 - low, 4)) for age, low in zip(ages, lows, strict=True))

    def covers(k: int, low: float) -> bool:
        lows[k] = low
        p, labels = probabilities[groups[k]], years[groups[k]]
        return _covered(p, labels, (0.1, 0.9), rows()) >= _wanted(len(labels))

    # Between two medians the levels are a mixture of both: fit each again beside its neighbours.
    for k in [*range(len(groups))] * ROUNDS:
        lows[k] = _largest(partial(covers, k))
    return rows()


def _largest(covers: Callable[[float], bool]) -> float:
    """Largest level whose interval covers enough; the smallest of all where none does.

    Intervals shrink as levels grow, so those that cover enough come first.
    """
    first_too_narrow = bisect_left(LEVELS, True, key=lambda low: not covers(low))
    return LEVELS[max(0, first_too_narrow - 1)]


def _wanted(faces: int) -> float:
    """With n faces the finite-sample guarantee asks for a little more than the target."""
    return min(1.0, TARGET_COVERAGE * (1 + 1 / max(1, faces)))


def _covered(
    probabilities: FloatArray, years: FloatArray, interval: tuple[float, float], by_age: Rows = ()
) -> float:
    """Share of the ages inside the intervals with these levels."""
    return coverage(years, *age_interval(probabilities, interval, by_age))
