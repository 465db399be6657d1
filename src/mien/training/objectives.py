"""Losses. Every data set supplies only its own labels, so every loss is masked."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mien.training.loader import Labels
from mien.training.recipe import LossTable


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values whose mask is set; 0 when none is."""
    chosen = torch.where(mask, values, torch.zeros_like(values))
    return chosen.sum() / mask.sum().clamp(min=1)


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy to a distribution over classes, one value a row ``(n,)``."""
    return -(target * F.log_softmax(logits, dim=1)).sum(dim=1)


def age_target(years: Tensor, sigma: float, ages: Tensor) -> Tensor:
    """Normal distribution around the label, renormalised over the known ages ``(n, 101)``.

    Gao et al., "Age Estimation Using Expectation of Label Distribution Learning", IJCAI 2018,
    equation 2.
    """
    logits = -((ages[None, :] - years[:, None]) ** 2) / (2 * sigma**2)
    return torch.softmax(logits, dim=1)


def expected_age(logits: Tensor) -> Tensor:
    """Mean of the predicted distribution in years ``(n,)``."""
    ages = torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)
    return torch.softmax(logits, dim=1) @ ages


def multi_task_loss(
    logits: Mapping[str, Tensor], labels: Labels, table: LossTable
) -> dict[str, Tensor]:
    """Every term of the loss: weight times the mean over the rows that carry its label.

    A term without a single labelled row is 0. The sum of the terms is what training minimises.
    """
    terms: dict[str, Tensor] = {}
    if "emotion" in logits:
        terms["emotion"] = table.emotion * masked_mean(
            soft_cross_entropy(logits["emotion"], labels.emotion), labels.emotion.sum(1) > 0
        )
    if "gender" in logits:
        terms["gender"] = table.gender * masked_mean(
            soft_cross_entropy(logits["gender"], labels.gender), labels.gender.sum(1) > 0
        )
    if "age" in logits:
        terms |= _age_terms(logits["age"], labels, table)
    return terms


def _age_terms(logits: Tensor, labels: Labels, table: LossTable) -> dict[str, Tensor]:
    known = ~torch.isnan(labels.age_years)
    years = torch.nan_to_num(labels.age_years)
    ages = torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)
    target = age_target(years, table.age_sigma, ages)
    in_bin = labels.age_bin > 0
    # log of the mass inside the bin = logsumexp over the bin minus logsumexp over everything
    masked = logits.masked_fill(~in_bin, -torch.inf)
    has_bin = in_bin.any(dim=1)
    safe = torch.where(has_bin[:, None], masked, torch.zeros_like(masked))
    bin_loss = torch.logsumexp(logits, 1) - torch.logsumexp(safe, 1)
    error = (expected_age(logits) - years).abs()
    return {
        "age_distribution": table.age_distribution
        * masked_mean(soft_cross_entropy(logits, target), known),
        "age_expectation": table.age_expectation * masked_mean(error, known),
        "age_bin": table.age_bin * masked_mean(bin_loss, has_bin),
    }
