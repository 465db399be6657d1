"""Trained networks that label every batch as it is augmented.

Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022: the
teacher must see the very crop that the student sees.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from mien.errors import ConfigError
from mien.images import InputSpec
from mien.training.answers import Answering
from mien.training.augment import luma
from mien.training.objectives.distillation import softened
from mien.training.recipe import Recipe
from mien.training.state import load_run


class Teachers(nn.Module):
    """One trained network or several, for the heads that they answer.

    Args:
        recipe: Of the student; its ``[teacher]`` table names the runs.

    Raises:
        InputError: A run is missing or damaged.
        ConfigError: A teacher sees other chips or has other labels than the student. One that sees
            grey is shown the luma of colours, one that sees colours may be shown grey.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.temperature = recipe.teacher.temperature
        self.mirror = recipe.teacher.mirror
        self.student: InputSpec = recipe.input
        self.specs: list[InputSpec] = []
        self.models = nn.ModuleList()
        for folder in recipe.teacher.runs:
            model, other = load_run(Path(folder))
            if other.input.size != recipe.input.size:
                raise ConfigError(
                    f"[teacher] {folder}: sees {other.input.size} px, "
                    f"the student {recipe.input.size} px"
                )
            for head in set(other.heads) & set(recipe.heads):
                if other.heads[head].labels != recipe.heads[head].labels:
                    raise ConfigError(f"[teacher] {folder}: has other labels for {head!r}")
            self.specs.append(other.input)
            self.models.append(Answering(model))
        for head, table in recipe.heads.items():
            answers = any(head in model.model.forms for model in self.models)  # type: ignore[union-attr,operator]
            if "distillation" in table.objective and not answers:
                raise ConfigError(f"[heads.{head}]: no teacher answers it")
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map the student's images to probabilities ``(n, labels)`` by head name."""
        answers: dict[str, list[Tensor]] = {}
        looks = [images, images.flip(3)] if self.mirror else [images]
        for model, spec in zip(self.models, self.specs, strict=True):
            for look in looks:
                for head, logits in model(renormalised(look, self.student, spec)).items():
                    answers.setdefault(head, []).append(logits.float())
        return {head: softened(logits, self.temperature) for head, logits in answers.items()}


def renormalised(images: Tensor, old: InputSpec, new: InputSpec) -> Tensor:
    """The same pictures with another mean and standard deviation, in as many channels as wanted."""
    if (old.mean, old.std) == (new.mean, new.std):
        return images

    def column(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, device=images.device).view(1, -1, 1, 1)

    shares = images * column(old.std) + column(old.mean)
    if new.colour != old.colour:
        shares = luma(shares) if new.colour == "grey" else shares.expand(-1, 3, -1, -1)
    return (shares - column(new.mean)) / column(new.std)
