"""Objectives for ages in years."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mien.training.objectives import Objective, Task, objectives
from mien.training.objectives.classes import soft_cross_entropy

ORIGIN_YEARS, UNIT_YEARS = 35.0, 10.0
"""A head that answers with one number counts decades from here: its losses then have the size of
a cross-entropy."""


def age_target(years: Tensor, sigma: Tensor | float, ages: Tensor) -> Tensor:
    """Normal distribution around the label, renormalised over the known ages ``(n, 101)``.

    Gao et al., "Age Estimation Using Expectation of Label Distribution Learning", IJCAI 2018,
    equation 2.
    """
    logits = -((ages[None, :] - years[:, None]) ** 2) / (2 * torch.as_tensor(sigma) ** 2)
    return torch.softmax(logits, dim=1)


def all_ages(logits: Tensor) -> Tensor:
    """0, 1, ... 100 in the type of the logits."""
    return torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)


def expected_age(logits: Tensor) -> Tensor:
    """Mean of the predicted distribution in years ``(n,)``."""
    return torch.softmax(logits, dim=1) @ all_ages(logits)


def _known(task: Task) -> tuple[Tensor, Tensor]:
    """Labelled years with 0 for unknown ones, and which are known."""
    years = task.labels.age_years
    return torch.nan_to_num(years), ~torch.isnan(years)


def expectation(task: Task) -> tuple[Tensor, Tensor]:
    """Absolute error of the expected age, in years (DEX, DLDL-v2).

    Rothe, Timofte, Van Gool, "DEX: Deep EXpectation of Apparent Age", ICCV workshops 2015.
    """
    years, known = _known(task)
    return (expected_age(task.logits) - years).abs(), known


def label_distribution(task: Task) -> tuple[Tensor, Tensor]:
    """Cross-entropy to a normal distribution around the label (DLDL-v2).

    Its width is the spread of the votes where the data set knows it, else `sigma`.
    """
    years, known = _known(task)
    spread = task.labels.age_spread
    sigma = torch.where(torch.isnan(spread), torch.full_like(spread, task.table.sigma), spread)
    target = age_target(years, sigma.clamp(min=0.5)[:, None], all_ages(task.logits))
    return soft_cross_entropy(task.logits, target), known


def mean_variance(task: Task) -> tuple[Tensor, Tensor]:
    """Half the squared error of the expected age plus the variance; beside cross-entropy.

    Pan, Han, Shan, Chen, "Mean-Variance Loss for Deep Age Estimation from a Face", CVPR 2018,
    equations 3 and 5; in decades squared.
    """
    years, known = _known(task)
    p, ages = torch.softmax(task.logits, dim=1), all_ages(task.logits)
    mean = p @ ages
    variance = (p * (ages[None, :] - mean[:, None]) ** 2).sum(1)
    values = 0.5 * (mean - years) ** 2 + task.table.variance * variance
    return values / UNIT_YEARS**2, known


def bin_likelihood(task: Task) -> tuple[Tensor, Tensor]:
    """Negative log of the mass inside the labelled bin of ages.

    logsumexp over everything minus logsumexp over the bin.
    """
    inside = task.labels.age_bin > 0
    has_bin = inside.any(dim=1)
    masked = task.logits.masked_fill(~inside, -torch.inf)
    safe = torch.where(has_bin[:, None], masked, torch.zeros_like(masked))
    return torch.logsumexp(task.logits, 1) - torch.logsumexp(safe, 1), has_bin


def smoothness(task: Task) -> tuple[Tensor, Tensor]:
    """Roughness of the log of the predicted distribution, beside labels that are wide bins.

    Bins do not say how ages are spread inside of them. Of all distributions that explain them,
    this prefers the smooth ones; a normal distribution costs nothing. Sum of the squared third
    differences, after Silverman, "On the Estimation of a Probability Density Function by the
    Maximum Penalized Likelihood Method", Annals of Statistics 1982.
    """
    known = ~torch.isnan(task.labels.age_years) | task.labels.age_bin.any(dim=1)
    return torch.diff(task.logits, n=3, dim=1).square().sum(1), known


def absolute_error(task: Task) -> tuple[Tensor, Tensor]:
    """Regression with the absolute error (L1), in decades."""
    years, known = _known(task)
    return (task.raw[:, 0] - (years - ORIGIN_YEARS) / UNIT_YEARS).abs(), known


def squared_error(task: Task) -> tuple[Tensor, Tensor]:
    """Regression with the squared error (L2), in decades."""
    years, known = _known(task)
    return (task.raw[:, 0] - (years - ORIGIN_YEARS) / UNIT_YEARS) ** 2, known


def coral(task: Task) -> tuple[Tensor, Tensor]:
    """Ordinal: "older than k years?" for every k, with one common score (CORAL).

    Cao, Mirjalili, Raschka, "Rank consistent ordinal regression for neural networks with
    application to age estimation", Pattern Recognition Letters 2020, equation 4. The columns are
    score plus threshold, see `mien.training.answers.Ordinal`.
    """
    years, known = _known(task)
    older = (years[:, None] > torch.arange(task.raw.shape[1], device=years.device)).to(years.dtype)
    losses = F.binary_cross_entropy_with_logits(task.raw, older, reduction="none")
    return losses.mean(1), known


for _name, _objective in {
    "expectation": Objective(expectation, heads=("age",), ages=("years",)),
    "label-distribution": Objective(label_distribution, heads=("age",), ages=("years",)),
    "mean-variance": Objective(mean_variance, heads=("age",), ages=("years",)),
    "bin-likelihood": Objective(bin_likelihood, form="any", heads=("age",), ages=("bins",)),
    "smoothness": Objective(smoothness, heads=("age",), ages=()),
    "l1": Objective(absolute_error, form="value", heads=("age",), ages=("years",)),
    "l2": Objective(squared_error, form="value", heads=("age",), ages=("years",)),
    "coral": Objective(coral, form="ordinal", heads=("age",), ages=("years",)),
}.items():
    objectives.register(_name)(_objective)
