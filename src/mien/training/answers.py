"""From a network's columns to logits over labels, whatever the objective.

An exported age head always has one logit for each of the 101 ages, so the pipeline reads a
regression, an ordinal network, age groups and a label distribution in the same way, and all of
them get an interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mien.config import MAX_AGE
from mien.training.networks import networks
from mien.training.networks.options import without_start
from mien.training.objectives import head_form
from mien.training.objectives.ages import ORIGIN_YEARS, UNIT_YEARS
from mien.training.recipe import Recipe
from mien.training.tables import HeadTable

VALUE_SIGMA_YEARS = 8.0
"""Width given to a regressed age; calibration scales it by its temperature."""

VALUE_REACH = 2.5
"""Closer to 0 or 100 the width shrinks, so that this many widths still fit: cut off by the end of
the scale, the distribution of a two-year-old would have its mean at seven."""


class Classes(nn.Module):
    """Columns are logits of the labels already."""

    def forward(self, columns: Tensor) -> Tensor:
        """Map ``(n, labels)`` to itself."""
        return columns


class Groups(nn.Module):
    """Age groups to ages: the mass of a group is spread evenly over its years.

    Args:
        table: Head with age groups.
    """

    index: Tensor
    width: Tensor

    def __init__(self, table: HeadTable) -> None:
        super().__init__()
        index = torch.zeros(MAX_AGE + 1, dtype=torch.long)
        width = torch.zeros(len(table.groups))
        for column, group in enumerate(table.age_groups):
            index[group.low : group.high + 1] = column
            width[column] = math.log(group.high - group.low + 1)
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("width", width, persistent=False)

    def forward(self, columns: Tensor) -> Tensor:
        """Map ``(n, groups)`` to ``(n, 101)``."""
        return (columns - self.width)[:, self.index]


class Value(nn.Module):
    """One number to ages: a normal distribution around it."""

    ages: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ages", torch.arange(MAX_AGE + 1).float(), persistent=False)

    def forward(self, columns: Tensor) -> Tensor:
        """Map ``(n, 1)`` to ``(n, 101)``."""
        years = (ORIGIN_YEARS + UNIT_YEARS * columns).clamp(0, MAX_AGE)
        room = torch.minimum(years, MAX_AGE - years) / VALUE_REACH
        sigma = room.clamp(1.0, VALUE_SIGMA_YEARS)
        return -((self.ages - years) ** 2) / (2 * sigma**2)


class Ordinal(nn.Module):
    """One score and a threshold for every age: probabilities of being older than ``k`` years.

    Cao, Mirjalili, Raschka, "Rank consistent ordinal regression for neural networks with
    application to age estimation", Pattern Recognition Letters 2020.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thresholds = nn.Parameter(torch.linspace(4.0, -4.0, MAX_AGE))

    def scores(self, columns: Tensor) -> Tensor:
        """Map ``(n, 1)`` to ``(n, 100)`` logits of "older than k years"."""
        return columns + self.thresholds

    def forward(self, scores: Tensor) -> Tensor:
        """Map ``(n, 100)`` to ``(n, 101)`` log-probabilities."""
        older = torch.sigmoid(scores)
        edge = torch.ones_like(older[:, :1])
        bounds = torch.cat([edge, older, torch.zeros_like(edge)], dim=1)
        return (bounds[:, :-1] - bounds[:, 1:]).clamp(min=1e-6).log()


class Model(nn.Module):
    """A network and the forms of its heads: what is trained, averaged and exported.

    Args:
        network: Maps images to columns by head.
        forms: `Classes`, `Groups`, `Value` or `Ordinal` by head.
    """

    def __init__(self, network: nn.Module, forms: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.network = network
        self.forms = nn.ModuleDict(forms)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to the columns that objectives work on."""
        answers = self.network(images)
        return {head: self._columns(head, values.float()) for head, values in answers.items()}

    def _columns(self, head: str, values: Tensor) -> Tensor:
        form = self.forms[head]
        return form.scores(values) if isinstance(form, Ordinal) else values

    def logits(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits over the labels of every head ``(n, labels)``."""
        answers: dict[str, Tensor] = {}
        for head, values in columns.items():
            answers[head] = self.forms[head](values)
        return answers


class Answering(nn.Module):
    """What is evaluated and exported: images in, logits over labels out.

    Args:
        model: A trained model.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to logits ``(n, labels)`` by head name."""
        return self.model.logits(self.model(images))


def build_model(recipe: Recipe, *, empty: bool = False) -> Model:
    """The untrained model of a recipe.

    Args:
        recipe: Names network, heads and objectives.
        empty: Weights will come from a checkpoint: read no weights file that the options name.

    Raises:
        UnknownModelError: The recipe names a network or an objective that does not exist.
        ConfigError: An option of the network, or the objectives of a head, do not fit.
    """
    forms: dict[str, nn.Module] = {}
    columns: dict[str, int] = {}
    for head, table in recipe.heads.items():
        form = head_form(head, table)
        if form == "value":
            forms[head], columns[head] = Value(), 1
        elif form == "ordinal":
            forms[head], columns[head] = Ordinal(), 1
        elif table.groups:
            forms[head], columns[head] = Groups(table), len(table.groups)
        else:
            forms[head], columns[head] = Classes(), len(table.labels)
    options = without_start(recipe.network) if empty else recipe.network
    return Model(networks[recipe.family](recipe.input, columns, options), forms)
