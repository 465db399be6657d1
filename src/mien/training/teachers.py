"""Trained networks, runs or exported files, that label every batch as it is augmented.

Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022: the
teacher must see the very crop that the student sees.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from mien.attributes import OnnxAttributeModel
from mien.errors import ConfigError
from mien.images import InputSpec
from mien.training.answers import Answering
from mien.training.augment import luma
from mien.training.objectives.distillation import softened
from mien.training.recipe import Recipe
from mien.training.state import is_exported, load_run


class Teachers(nn.Module):
    """One trained network or several, for the heads that they answer.

    Args:
        recipe: Of the student; its ``[teacher]`` table names the runs.

    Raises:
        InputError: A run is missing or damaged.
        UnknownModelError: A name is neither a run's nor a shipped model's.
        ModelError: An exported file cannot be used.
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
        taught: set[str] = set()
        for name in recipe.teacher.runs:
            model, spec, labels = _find(name)
            if spec.size != recipe.input.size:
                raise ConfigError(
                    f"[teacher] {name}: sees {spec.size} px, the student {recipe.input.size} px"
                )
            for head in set(labels) & set(recipe.heads):
                if labels[head] != recipe.heads[head].labels:
                    raise ConfigError(f"[teacher] {name}: has other labels for {head!r}")
            self.specs.append(spec)
            self.models.append(model)
            taught |= set(labels)
        for head, table in recipe.heads.items():
            if "distillation" in table.objective and head not in taught:
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


class Exported(nn.Module):
    """A teacher from a file of `mien export`; it answers on the CPU.

    Args:
        source: The file, loaded.
    """

    def __init__(self, source: OnnxAttributeModel) -> None:
        super().__init__()
        self.source = source

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to logits ``(n, labels)`` by head name."""
        answers = self.source.logits(images.float().contiguous().cpu().numpy())
        return {head: torch.from_numpy(v).to(images.device) for head, v in answers.items()}


def _find(name: str) -> tuple[nn.Module, InputSpec, dict[str, tuple[str, ...]]]:
    """A teacher, the chips that it sees, and the labels of its heads."""
    if is_exported(name, "[teacher] runs"):
        source = OnnxAttributeModel(name, threads=torch.get_num_threads())
        return Exported(source), source.input, {h: s.labels for h, s in source.spec.heads.items()}
    model, recipe = load_run(Path(name))
    return Answering(model), recipe.input, {h: t.labels for h, t in recipe.heads.items()}


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
