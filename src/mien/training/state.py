"""A run on disk: ``last`` holds everything to go on from, ``best`` the weights to use."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mien.errors import InputError, UnknownModelError
from mien.models import load_manifest
from mien.training.answers import Model, build_model
from mien.training.checkpoint import load_checkpoint, pick, save_checkpoint
from mien.training.optimise import Schedule, make_optimiser
from mien.training.recipe import Recipe


@dataclass(slots=True)
class Run:
    """Everything that changes while a model is trained."""

    model: Model
    average: Model
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    step: int = 0
    best: float = -math.inf
    stale: int = 0
    """Evaluations since the last best one."""

    metrics: dict[str, float] = field(default_factory=dict)


def new_run(recipe: Recipe, device: torch.device, *, empty: bool = False) -> Run:
    """Start with random weights; `empty` as in `build_model`.

    Raises:
        ConfigError: The recipe's network or objectives do not fit.
    """
    model = build_model(recipe, empty=empty)
    model = model.to(device)
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    optimiser = make_optimiser(model, recipe.train)
    average = copy.deepcopy(model).requires_grad_(False)
    return Run(model, average, optimiser, Schedule(optimiser, recipe.train))


def load_weights(model: nn.Module, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Fill a model with the weights of a checkpoint.

    Raises:
        InputError: They belong to another network.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: its network is another one: {reason}") from error


def is_exported(name: str, key: str) -> bool:
    """Whether a trained network is a file of `mien export` or shipped, and not the folder of a run.

    Args:
        name: What a recipe gives: a folder, a path that ends in ``.onnx``, a shipped model.
        key: Where the recipe gives it, for the error.

    Raises:
        InputError: It is a path, and there is no such folder.
        UnknownModelError: It is a bare name, neither of a folder nor of a shipped model.
    """
    path = Path(name)
    if path.is_dir():
        return False
    if path.suffix == ".onnx" or name in load_manifest():
        return True
    if path.name == name:
        raise UnknownModelError("run folder or shipped model", name, load_manifest())
    raise InputError(f"{name}: no such folder; {key} names a run, an .onnx or a model")


def load_run(folder: Path, checkpoint: str = "best") -> tuple[Model, Recipe]:
    """The averaged weights of a run, ready to answer, and its recipe.

    Raises:
        InputError: There is no such run, or it is damaged.
    """
    tensors, meta = load_checkpoint(folder, checkpoint)
    recipe = Recipe.from_mapping(meta["recipe"])
    model = build_model(recipe, empty=True)
    load_weights(model, pick(tensors, "average"), folder)
    return model.eval(), recipe


def save_run(run: Run, recipe: Recipe, folder: Path, *, improved: bool) -> None:
    """Write ``last``, and ``best`` when the chosen metric improved."""
    state = {f"network/{k}": v for k, v in run.model.state_dict().items()}
    state |= {f"average/{k}": v for k, v in run.average.state_dict().items()}
    names = {id(p): name for name, p in run.model.named_parameters()}
    for parameter, slots in run.optimiser.state.items():
        for slot, value in slots.items():
            if isinstance(value, torch.Tensor):
                state[f"optimiser/{slot}/{names[id(parameter)]}"] = value
    meta = {
        "recipe": recipe.to_mapping(),
        "step": run.step,
        "best": run.best,
        "stale": run.stale,
        "schedule": run.schedule.state(),
        "metrics": run.metrics,
    }
    save_checkpoint(folder, "last", state, meta)
    if improved:
        weights = {key: value for key, value in state.items() if key.startswith("average/")}
        save_checkpoint(folder, "best", weights, meta)


def restore_run(run: Run, recipe: Recipe, folder: Path) -> None:
    """Continue from ``last``.

    Raises:
        InputError: There is none, or another recipe made it.
    """
    tensors, meta = load_checkpoint(folder, "last")
    # What a run of an older version does not name, it did as the default does.
    if _plain(Recipe.from_mapping(meta["recipe"])) != _plain(recipe):
        raise InputError(f"{folder}: the run there was made by another recipe")
    load_weights(run.model, pick(tensors, "network"), folder)
    load_weights(run.average, pick(tensors, "average"), folder)
    for key, value in pick(tensors, "optimiser").items():
        slot, _, name = key.partition("/")
        parameter = run.model.get_parameter(name)
        # Adam counts its steps on the CPU, wherever the parameter is; all else lies in memory as
        # the parameter does, so that the same kernels run as in a run that was never stopped.
        run.optimiser.state[parameter][slot] = (
            value if value.ndim == 0 else torch.empty_like(parameter).copy_(value)
        )
    run.schedule.restore(meta["schedule"])
    run.step, run.best, run.stale = meta["step"], meta["best"], meta["stale"]
    run.metrics = meta["metrics"]


def _plain(recipe: Recipe) -> Any:
    """What a JSON file has of it: no tuples."""
    return json.loads(json.dumps(recipe.to_mapping()))
