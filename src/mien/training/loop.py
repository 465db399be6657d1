"""The whole training loop, readable from top to bottom."""

from __future__ import annotations

import copy
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mien.errors import ConfigError, DeviceError, InputError, MienError
from mien.training.augment import augment
from mien.training.checkpoint import load_checkpoint, pick, save_checkpoint
from mien.training.loader import Labels, Mixer, Part, load_part, stream_seed
from mien.training.networks import networks
from mien.training.objectives import multi_task_loss
from mien.training.recipe import Recipe, TrainTable
from mien.training.validate import validate

Log = Callable[[dict[str, float]], None]


class DivergedError(MienError):
    """The loss is no longer a number."""


@dataclass(slots=True)
class Run:
    """Everything that changes while a network is trained."""

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.SGD
    step: int = 0
    best: float = -math.inf


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    threads: int = 0,
    resume: bool = False,
    log: Log | None = None,
) -> dict[str, float]:
    """Train a network and leave ``best`` and ``last`` checkpoints and a log in `folder`.

    Args:
        recipe: What to train.
        folder: Made when missing.
        device: ``"cpu"`` or ``"cuda"``.
        threads: CPU threads of the network; 0 leaves the choice to torch. On a machine that does
            other work, leave it a core: one late thread makes all the others wait.
        resume: Go on from ``last``; without it a folder that holds a run is refused.
        log: Called with every row of the log.

    Returns:
        Validation metrics of the last evaluation.

    Raises:
        InputError: Data are missing, or the folder holds another run.
        DeviceError: The device is not there.
        DivergedError: The loss became NaN or infinite; the last good checkpoint is kept.
    """
    target = _device(device)
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(recipe.train.seed)
    run = _start(recipe, target)
    metrics: dict[str, float] = {}
    if resume:
        metrics = _restore(run, recipe, folder)
    elif (folder / "last.json").exists():
        raise InputError(f"{folder}: holds a run already. Pass --resume or name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    parts = [load_part(table, "train", recipe.input) for table in recipe.data]
    held_out = [load_part(table, "val", recipe.input) for table in recipe.data]
    _check_mixup(parts)
    mixer = Mixer(parts, recipe.train.seed)

    totals: dict[str, Tensor] = {}
    started, first, logged = time.perf_counter(), run.step, run.step
    for images, labels in _batches(mixer, recipe, run.step):
        terms = _update(run, recipe, images.to(target), labels.to(target))
        for name, value in terms.items():
            totals[name] = totals.get(name, torch.zeros(())) + value.detach().cpu()
        run.step += 1
        due = run.step % recipe.train.evaluate_every == 0 or run.step == recipe.train.steps
        if due or run.step % 50 == 0:
            _check_finite(totals, folder, run.step)
        if due:
            metrics = validate(run.average, held_out, recipe.input, target)
            seconds = time.perf_counter() - started
            row = {
                "step": float(run.step),
                "images_per_s": (run.step - first) * recipe.batch_size / seconds,
                **{name: float(v) / (run.step - logged) for name, v in totals.items()},
                **metrics,
            }
            totals, logged = {}, run.step
            _keep(run, recipe, folder, metrics)
            _append(folder / "log.jsonl", row)
            if log is not None:
                log(row)
    return metrics


def _device(name: str) -> torch.device:
    known = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if name.partition(":")[0] not in known:
        raise DeviceError(f"device {name!r} is not available. Here: {', '.join(known)}.")
    return torch.device(name)


def build_network(recipe: Recipe) -> nn.Module:
    """The untrained network of a recipe."""
    return networks[recipe.family](recipe.input, recipe.classes, recipe.network)


def _start(recipe: Recipe, device: torch.device) -> Run:
    network = build_network(recipe)
    if recipe.train.start:
        _load_start(network, Path(recipe.train.start))
    network = network.to(device)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.SGD(
        [
            {"params": decayed, "weight_decay": recipe.train.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=recipe.train.learning_rate,
        momentum=recipe.train.momentum,
        nesterov=True,
    )
    average = copy.deepcopy(network).requires_grad_(False)
    return Run(network, average, optimiser)


def _load_start(network: nn.Module, folder: Path) -> None:
    """Begin with the best averaged weights of an earlier run.

    Raises:
        InputError: There is no such run, or its network has another shape.
    """
    weights = pick(load_checkpoint(folder, "best")[0], "average")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: its network is another one: {reason}") from error


def _batches(mixer: Mixer, recipe: Recipe, first: int) -> Iterator[tuple[Tensor, Labels]]:
    """Batches from number `first` to the last; the next one is made while this one is used."""
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[tuple[Tensor, Labels]]] = deque()
        for step in range(first, recipe.train.steps):
            waiting.append(pool.submit(_batch, mixer, recipe, step))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _batch(mixer: Mixer, recipe: Recipe, step: int) -> tuple[Tensor, Labels]:
    """Batch number `step`, augmented and mixed; a pure function of recipe and step."""
    generator = torch.Generator().manual_seed(stream_seed(recipe.train.seed, 0, step))
    images, labels = [], []
    for part, rows in zip(mixer.parts, mixer.rows(step), strict=True):
        x = augment(part.chips[rows], recipe.input, recipe.augment, generator)
        y = part.labels[rows]
        if part.table.mixup > 0:
            x, y = _mixup(x, y, part.table.mixup, generator)
        images.append(x)
        labels.append(y)
    return torch.cat(images).contiguous(memory_format=torch.channels_last), Labels.cat(labels)


def _mixup(x: Tensor, y: Labels, alpha: float, generator: torch.Generator) -> tuple[Tensor, Labels]:
    """Blend every face with another one of the batch (Zhang et al., "mixup", ICLR 2018)."""
    # A Beta(a, a) sample as a ratio of gamma samples, drawn from our own generator.
    gamma = torch._standard_gamma(torch.full((2, len(x)), alpha), generator=generator)
    share = (gamma[0] / gamma.sum(0).clamp(min=1e-12)).clamp(0.0, 1.0)
    share = torch.maximum(share, 1 - share)
    partner = torch.randperm(len(x), generator=generator)
    s, t = share.view(-1, 1, 1, 1), share.view(-1, 1)
    mixed = Labels(
        t * y.emotion + (1 - t) * y.emotion[partner],
        t * y.gender + (1 - t) * y.gender[partner],
        y.age_years,
        y.age_bin,
    )
    return s * x + (1 - s) * x[partner], mixed


def _update(run: Run, recipe: Recipe, images: Tensor, labels: Labels) -> dict[str, Tensor]:
    """One step of the optimiser and of the average; returns the terms of the loss."""
    table = recipe.train
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(table, run.step)
    # Dropout draws from the global generator: seeding it by step makes a resumed run the same.
    torch.manual_seed(stream_seed(table.seed, 99, run.step))
    run.network.train()
    with torch.autocast(images.device.type, torch.bfloat16):
        answers = run.network(images)
    logits = {name: values.float() for name, values in answers.items()}
    terms = multi_task_loss(logits, labels, recipe.loss)
    loss = torch.stack(list(terms.values())).sum()
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.network.parameters(), table.clip_norm)
    run.optimiser.step()
    # Early weights are noise: the average starts short and grows to its full length.
    decay = min(table.ema, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        for old, new in zip(
            run.average.state_dict().values(), run.network.state_dict().values(), strict=True
        ):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1 - decay)
            else:
                old.copy_(new)
    return terms


def learning_rate(table: TrainTable, step: int) -> float:
    """One cycle: linear warm-up, then a cosine down to zero."""
    climb = max(1, round(table.warmup * table.steps))
    if step < climb:
        return table.learning_rate * (step + 1) / climb
    progress = (step - climb) / max(1, table.steps - climb)
    return table.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _check_mixup(parts: list[Part]) -> None:
    for part in parts:
        labels = part.labels
        has_age = bool((~torch.isnan(labels.age_years)).any() or labels.age_bin.any())
        if part.table.mixup > 0 and has_age:
            raise ConfigError(
                f"{part.table.path}: mixup blends class shares; {part.name} has ages. Set it to 0."
            )


def _check_finite(totals: dict[str, Tensor], folder: Path, step: int) -> None:
    bad = [name for name, value in totals.items() if not torch.isfinite(value)]
    if bad:
        last = folder / "last.safetensors"
        kept = f"{last} is the last good checkpoint" if last.exists() else "no checkpoint was kept"
        raise DivergedError(
            f"the loss term {bad[0]!r} is not a number near step {step}. "
            f"Lower learning_rate; {kept}."
        )


def _keep(run: Run, recipe: Recipe, folder: Path, metrics: dict[str, float]) -> None:
    """Write ``last``, and ``best`` when the chosen metric improved."""
    select = recipe.train.select
    if select not in metrics:
        raise ConfigError(f"no metric is called {select!r}. Known: {', '.join(metrics)}.")
    value = -metrics[select] if select.endswith("_mae") else metrics[select]
    improved = value > run.best
    run.best = max(run.best, value)
    state = {f"network/{k}": v for k, v in run.network.state_dict().items()}
    state |= {f"average/{k}": v for k, v in run.average.state_dict().items()}
    names = {id(p): name for name, p in run.network.named_parameters()}
    for parameter, slots in run.optimiser.state.items():
        buffer = slots.get("momentum_buffer")
        if buffer is not None:
            state[f"momentum/{names[id(parameter)]}"] = buffer
    meta = {
        "recipe": recipe.to_mapping(),
        "step": run.step,
        "best": run.best,
        "metrics": metrics,
    }
    save_checkpoint(folder, "last", state, meta)
    if improved:
        weights = {key: value for key, value in state.items() if key.startswith("average/")}
        save_checkpoint(folder, "best", weights, meta)


def _restore(run: Run, recipe: Recipe, folder: Path) -> dict[str, float]:
    """Continue from ``last``; returns its validation metrics."""
    tensors, meta = load_checkpoint(folder, "last")
    if meta["recipe"] != json.loads(json.dumps(recipe.to_mapping())):
        raise InputError(f"{folder}: the run there was made by another recipe")
    run.network.load_state_dict(pick(tensors, "network"))
    run.average.load_state_dict(pick(tensors, "average"))
    momentum = pick(tensors, "momentum")
    for name, parameter in run.network.named_parameters():
        if name in momentum:
            run.optimiser.state[parameter]["momentum_buffer"] = momentum[name].to(parameter.device)
    run.step, run.best = meta["step"], meta["best"]
    metrics: dict[str, float] = meta["metrics"]
    return metrics


def _append(path: Path, row: dict[str, float]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
