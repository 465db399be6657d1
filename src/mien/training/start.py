"""Begin with trained weights: an earlier run, an exported model, a shipped one, or a bare trunk.

Heads that ask something new start with random weights; everything else must fit. A file of plain
layers gives what it has, and the rest starts at random. A network for colours may begin with one
that saw grey, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from mien.attributes import OnnxAttributeModel
from mien.errors import InputError
from mien.images import LUMA
from mien.training.answers import Model
from mien.training.augment import centre_crop, scaled
from mien.training.checkpoint import load_checkpoint, pick
from mien.training.loader import Part
from mien.training.networks.pretrained import read_tensors
from mien.training.recipe import Recipe
from mien.training.state import is_exported

HEADS = "network.heads."
FACES = 512
"""Faces on which the scale of unfolded batch norm is measured."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Weights to begin with.

    Attributes:
        weights: By the names of `Model`.
        labels: Labels of the heads that they answer.
        folded: Whether batch norm was folded into the convolutions.
    """

    weights: Mapping[str, Tensor]
    labels: Mapping[str, tuple[str, ...]]
    folded: bool


def begin_with(model: Model, recipe: Recipe, parts: Sequence[Part]) -> list[str]:
    """Fill a model with the weights that ``[train] start`` names.

    Args:
        model: Untrained.
        recipe: Of the new run.
        parts: Its training data; batch norm of an exported model is measured on them.

    Returns:
        What starts with random weights: heads whose labels are new, layers that the file lacks.

    Raises:
        InputError: The weights are missing, damaged or belong to another network.
        UnknownModelError: `start` is neither a folder, a file, nor a shipped model.
    """
    start = recipe.train.start
    if Path(start).suffix == ".safetensors":
        return _begin_with_trunk(model, recipe, parts)
    old = model.state_dict()
    trained = _find(model, start)
    trained = replace(trained, weights=_recoloured(trained.weights, old))
    _check_trunk(trained, old, start)
    fresh = [head for head in recipe.heads if _is_new(head, trained, recipe, old)]
    skipped = tuple(f"{HEADS}{head}." for head in fresh) + tuple(f"forms.{h}." for h in fresh)
    for name, value in old.items():
        if name.startswith(skipped):
            continue
        found = trained.weights.get(name)
        if found is None or found.shape != value.shape:
            there = "nothing" if found is None else f"shape {tuple(found.shape)}"
            raise InputError(
                f"{start}: its network is another one: for {name} of shape {tuple(value.shape)} it "
                f"has {there}"
            )
    model.load_state_dict(
        {name: trained.weights[name] for name in old if not name.startswith(skipped)}, strict=False
    )
    if trained.folded:
        unfold_batch_norm(model, recipe, parts, _norms(model))
    return fresh


def _begin_with_trunk(model: Model, recipe: Recipe, parts: Sequence[Part]) -> list[str]:
    """Fill what a file of plain layers has, by name and shape; whatever is new stays random.

    A smaller network takes the first layers of a deeper one, and that is meant here. The file may
    be a checkpoint of another run, too: then its averaged weights count, but not its heads, whose
    columns may mean something else.
    """
    start = recipe.train.start
    found = read_tensors(Path(start), "[train] start")
    average = pick(found, "average")
    if average:
        found = {name.removeprefix("network."): value for name, value in average.items()}
    # A counter fits wherever it stands, and says nothing about the layer.
    found = {n: value for n, value in found.items() if not n.endswith("num_batches_tracked")}
    old = model.network.state_dict()
    found = _recoloured(found, old)
    fits = {
        name: value
        for name, value in found.items()
        if name in old and old[name].shape == value.shape and not name.startswith("heads.")
    }
    if not fits:
        raise InputError(
            f"{start}: none of its {len(found)} tensors fits the network {recipe.family!r}"
        )
    model.network.load_state_dict(fits, strict=False)
    norms = [norm for norm in _norms(model.network) if f"{norm[2]}.weight" in fits]
    unfold_batch_norm(model, recipe, parts, norms)
    missing = [n for n in old if n not in fits and not n.endswith("num_batches_tracked")]
    return sorted({_layer(name, fits) for name in missing})


def _recoloured(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Let filters for grey see the luma of colours, and filters for colours grey pictures."""
    shares = torch.tensor(LUMA).view(1, 3, 1, 1)

    def fitted(name: str, value: Tensor) -> Tensor:
        shape = wanted[name].shape if name in wanted else value.shape
        if value.ndim == 4 and (len(value), *value.shape[2:]) == (shape[0], *shape[2:]):
            if (value.shape[1], shape[1]) == (1, 3):
                return value * shares
            if (value.shape[1], shape[1]) == (3, 1):
                return value.sum(1, keepdim=True)
        return value

    return {name: fitted(name, value) for name, value in found.items()}


def _layer(name: str, fits: Iterable[str]) -> str:
    """The largest part of the network that holds the tensor `name` and nothing that was found."""
    parts = name.split(".")
    layers = (".".join(parts[:depth]) for depth in range(1, len(parts)))
    return next((x for x in layers if not any(n.startswith(f"{x}.") for n in fits)), name)


def _check_trunk(trained: Trained, old: Mapping[str, Tensor], start: str) -> None:
    """Refuse weights of a network that is deeper, or whose heads look at other features.

    Else the first layers of a deeper one would pass for all of it.
    """
    for name, value in trained.weights.items():
        mine = old.get(name)
        if mine is None:
            other = not name.startswith((HEADS, "forms."))
        else:
            other = name.startswith(HEADS) and value.shape[1:] != mine.shape[1:]
        if other:
            there = "nothing" if mine is None else f"shape {tuple(mine.shape)}"
            raise InputError(
                f"{start}: its network is another one: it has {name} of shape "
                f"{tuple(value.shape)}, the recipe's has {there}"
            )


def _is_new(head: str, trained: Trained, recipe: Recipe, old: Mapping[str, Tensor]) -> bool:
    if trained.labels.get(head) != recipe.heads[head].labels:
        return True
    names = [name for name in old if name.startswith((f"{HEADS}{head}.", f"forms.{head}."))]
    return any(
        name not in trained.weights or trained.weights[name].shape != old[name].shape
        for name in names
    )


def _find(model: Model, start: str) -> Trained:
    if is_exported(start, "[train] start"):
        return _exported(model, start)
    tensors, meta = load_checkpoint(Path(start), "best")
    recipe = Recipe.from_mapping(meta["recipe"])
    labels = {head: table.labels for head, table in recipe.heads.items()}
    return Trained(pick(tensors, "average"), labels, folded=False)


def _exported(model: Model, start: str) -> Trained:
    """Weights from the constants of an ONNX file, whose names end as the model's do."""
    source = OnnxAttributeModel(start, threads=1)
    tensors = {
        tensor.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor)))
        for tensor in onnx.load(str(source.path)).graph.initializer
    }

    def ending(name: str) -> Tensor | None:
        fits = (t for full, t in tensors.items() if full == name or full.endswith(f".{name}"))
        return next(fits, None)

    found = {
        # The one thing about batch norm that no graph needs.
        name: torch.tensor(0) if name.endswith(".num_batches_tracked") else ending(name)
        for name in model.state_dict()
    }
    by_end = {name: tensor for name, tensor in found.items() if tensor is not None}
    for module, convolution, norm in _norms(model):
        bias = ending(f"{convolution}.bias")
        if bias is None:
            continue  # whoever loads the weights says what is missing
        by_end |= {
            f"{norm}.weight": torch.ones_like(bias),
            f"{norm}.bias": bias,
            f"{norm}.running_mean": torch.zeros_like(bias),
            f"{norm}.running_var": torch.full_like(bias, 1 - module.eps),
        }
    labels = {head: spec.labels for head, spec in source.spec.heads.items()}
    return Trained(by_end, labels, folded=True)


Norm: TypeAlias = tuple[nn.BatchNorm2d, str, str]


def _norms(model: nn.Module) -> list[Norm]:
    """Every batch norm that stands behind a convolution, with the names of both."""
    found = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Sequential):
            for index in range(len(module) - 1):
                first, second = module[index], module[index + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    found.append((second, f"{name}.{index}", f"{name}.{index + 1}"))
    return found


@torch.no_grad()
def unfold_batch_norm(
    model: Model, recipe: Recipe, parts: Sequence[Part], norms: Sequence[Norm]
) -> None:
    """Give batch norms the statistics of the run's own faces; no answer changes.

    Training normalises with the statistics of the batch. A norm that was folded away knows none,
    and one of a strange file knows those of strange faces. So scale and shift are set to undo
    exactly what the statistics of `FACES` faces change.
    """
    share = -(-FACES // len(parts))
    chips = torch.cat([part.chips[:share] for part in parts])
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def measure(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].float()
        seen[module] = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)

    hooks = [norm.register_forward_pre_hook(measure) for norm, _, _ in norms]
    try:
        device = next(model.parameters()).device
        model.eval()(scaled(centre_crop(chips.to(device), recipe.input.size), recipe.input))
    finally:
        for hook in hooks:
            hook.remove()
    for norm, _, _ in norms:
        mean, variance = seen[norm]
        assert norm.running_mean is not None  # they track statistics
        assert norm.running_var is not None
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias.add_((mean - norm.running_mean) * gain)
        norm.weight.copy_(gain * (variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
