"""The whole training loop, readable from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mien.errors import ConfigError, DeviceError, InputError, MienError, did_you_mean
from mien.training.batches import batches
from mien.training.distributed import (
    from_first,
    joined,
    mean_over_processes,
    own_device,
    processes,
    rank,
    world,
)
from mien.training.labels import Labels
from mien.training.loader import Mixer, Part, check_parts, load_parts, stream_seed
from mien.training.objectives import Task, multi_task_loss
from mien.training.optimise import sharpness_aware, update_average
from mien.training.progress import Log, Progress, Report
from mien.training.recipe import Recipe
from mien.training.start import begin_with
from mien.training.state import new_run, restore_run, save_run
from mien.training.teachers import Teachers
from mien.training.validate import metric_names, validate

LOOK_EVERY = 10
"""Steps between two looks at the loss: reading it makes a GPU wait."""


class DivergedError(MienError):
    """The loss is no longer a number."""


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    threads: int = 0,
    resume: bool = False,
    log: Callable[[dict[str, float]], None] | None = None,
    report: Report | None = None,
    note: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """Train a network and leave ``best`` and ``last`` checkpoints and a log in `folder`.

    Under `torchrun` every process takes its share of each batch; the first one validates, writes
    and reports.

    Args:
        recipe: What to train.
        folder: Made when missing.
        device: ``"cpu"`` or ``"cuda"``.
        threads: CPU threads of the network; 0 leaves the choice to torch. On a machine that does
            other work, leave it a core: one late thread makes all the others wait.
        resume: Go on from ``last``; without it a folder that holds a run is refused.
        log: Called with every row of the log.
        report: Called every few steps, for a live line.
        note: Called with remarks on the start of the run.

    Returns:
        Validation metrics of the last evaluation.

    Raises:
        InputError: Data are missing, or the folder holds another run.
        ConfigError: The recipe does not fit its data.
        DeviceError: The device is not there.
        DivergedError: The loss became NaN or infinite; the last good checkpoint is kept.
    """
    target = own_device(_device(device))
    if threads:
        torch.set_num_threads(threads)
    with processes(target):
        trainer = Trainer(recipe, folder, target, resume=resume)
        folder.mkdir(parents=True, exist_ok=True)
        if note is not None and trainer.fresh and rank() == 0:
            note(f"{recipe.train.start} has no {', '.join(trainer.fresh)}: started at random")
        if rank() > 0:
            trainer.loop(None, None, None)
        else:
            with Log(folder, trainer.run.step) as writer:
                trainer.loop(writer, log, report)
    return trainer.run.metrics


class Trainer:
    """One run in one process.

    Args:
        recipe: What to train.
        folder: Of the run.
        device: Where the network is.
        resume: Go on from ``last``.

    Raises:
        InputError: See `train`.
        ConfigError: See `train`.
    """

    def __init__(self, recipe: Recipe, folder: Path, device: torch.device, *, resume: bool) -> None:
        torch.manual_seed(recipe.train.seed)
        self.recipe, self.folder, self.device = recipe, folder, device
        self.run = new_run(recipe, device, empty=resume or bool(recipe.train.start))
        if resume:
            restore_run(self.run, recipe, folder)
        elif (folder / "last.json").exists():
            raise InputError(
                f"{folder}: holds a run already. Pass --resume or name another folder."
            )
        self.parts = load_parts(recipe, "train")
        self.held_out = load_parts(recipe, "val")
        _check(recipe, self.parts, self.held_out)
        self.fresh: list[str] = []
        if recipe.train.start and not resume:
            self.fresh = begin_with(self.run.model, recipe, self.parts)
            self.run.average.load_state_dict(self.run.model.state_dict())
        self.teachers = Teachers(recipe).to(device) if recipe.teacher.runs else None
        self.network = joined(self.run.model, device)

    def loop(
        self,
        writer: Log | None,
        log: Callable[[dict[str, float]], None] | None,
        report: Report | None,
    ) -> None:
        """Every step of the run: batch, update, now and then an evaluation with a checkpoint."""
        run, table = self.run, self.recipe.train
        if self.stopped:
            return  # a run that had ended early is resumed
        faces = self.recipe.batch_size * world()
        totals: dict[str, Tensor] = {}
        started, first, logged = time.perf_counter(), run.step, run.step
        mixer = Mixer(self.parts, table.seed)
        for images, labels in batches(mixer, self.recipe, run.step, self.device):
            for name, value in self.update(images, labels).items():
                totals[name] = totals.get(name, 0.0) + value.detach()
            run.step += 1
            due = run.step % table.evaluate_every == 0 or run.step == table.steps
            if not due and run.step % LOOK_EVERY:
                continue
            # A term that is no number in one process ends all of them.
            sums = mean_over_processes(totals, self.device)
            means = {name: value / (run.step - logged) for name, value in sums.items()}
            _check_finite(means, run.model, self.folder, run.step)
            rate = (run.step - first) * faces / (time.perf_counter() - started)
            if due:
                totals, logged = {}, run.step
                self.look({"step": float(run.step), "images_per_s": rate, **means}, writer, log)
            if report is not None:
                report(
                    Progress(
                        step=run.step,
                        steps=table.steps,
                        loss=sum(means.values()),
                        images_per_s=rate,
                        seconds_left=(table.steps - run.step) * faces / rate,
                        metrics=run.metrics,
                    )
                )
            if self.stopped:
                break

    @property
    def stopped(self) -> bool:
        """Whether the metric has not improved for so long that the run is over."""
        patience = self.recipe.train.patience
        return 0 < patience <= self.run.stale

    def update(self, images: Tensor, labels: Labels) -> dict[str, Tensor]:
        """One step of the optimiser and of the average; returns the terms of the loss."""
        run, table = self.run, self.recipe.train
        run.schedule.before_step(run.step)
        run.model.train()
        taught = self._taught(images)
        terms = self._gradient(images, labels, taught)
        if table.sam and run.step >= table.sam_from * table.steps:
            sharpness_aware(run.model, table.sam, lambda: self._gradient(images, labels, taught))
        nn.utils.clip_grad_norm_(run.model.parameters(), table.clip_norm)
        run.optimiser.step()
        update_average(run.average, run.model, table.ema, run.step)
        return terms

    def _precision(self) -> torch.autocast:
        """Runs networks in what the recipe asks for; losses are taken outside, in float32."""
        fast = self.recipe.train.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=fast)

    def _taught(self, images: Tensor) -> dict[str, Tensor]:
        """What the teachers answer to one batch, by head; nothing where there are none."""
        with self._precision():
            return {} if self.teachers is None else self.teachers(images)

    def _gradient(
        self, images: Tensor, labels: Labels, taught: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Terms of the loss of one batch; leaves the gradient of their sum in the model."""
        table = self.recipe.train
        # Dropout draws from the global generator: seeding it by step makes a resumed run the same.
        torch.manual_seed(stream_seed(table.seed, 99, self.run.step) + rank())
        with self._precision():
            columns = self.network(images)
        logits = self.run.model.logits(columns)
        tasks = {
            head: Task(
                head,
                self.recipe.heads[head],
                columns[head],
                logits[head],
                labels,
                taught.get(head),
                self.recipe.teacher,
            )
            for head in self.recipe.heads
        }
        terms = multi_task_loss(tasks)
        self.run.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        return terms

    def look(
        self,
        row: dict[str, float],
        writer: Log | None,
        log: Callable[[dict[str, float]], None] | None,
    ) -> None:
        """Evaluate, log and save."""
        learning_rate = self.run.schedule.rate
        improved = self.evaluate()
        row |= self.run.metrics
        # The log first: a run killed in between does the steps again, and the log says it twice;
        # the other way round it would never say it.
        if writer is not None:
            writer.write(row | {"learning_rate": learning_rate})
        if rank() == 0:
            save_run(self.run, self.recipe, self.folder, improved=improved)
        if log is not None:
            log(row)

    def evaluate(self) -> bool:
        """Look at the validation split and tell the schedule; returns whether it got better."""
        run, select = self.run, self.recipe.train.select
        if rank() == 0:
            run.metrics = validate(run.average, self.held_out, self.recipe, self.device)
        value = from_first(run.metrics.get(select, 0.0))
        value = -value if select.endswith("_mae") else value
        improved = value > run.best
        run.best, run.stale = max(run.best, value), 0 if improved else run.stale + 1
        run.schedule.after_evaluation(value)
        return improved


def _check(recipe: Recipe, parts: list[Part], held_out: list[Part]) -> None:
    """Find what does not fit before any training starts."""
    check_parts(parts, recipe.heads)
    known = metric_names(held_out, recipe.heads)
    select = recipe.train.select
    if select not in known:
        raise ConfigError(
            f"[train] select: no metric is called {select!r}.{did_you_mean(select, known)} "
            f"Known here: {', '.join(known)}."
        )


def _check_finite(means: dict[str, float], model: nn.Module, folder: Path, step: int) -> None:
    bad = [f"the loss term {name!r}" for name, v in means.items() if not math.isfinite(v)]
    # The last update may have spoilt what its own loss does not show yet.
    if not bad and not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
        bad = ["a weight"]
    if bad:
        last = folder / "last.safetensors"
        kept = f"{last} is the last good checkpoint" if last.exists() else "no checkpoint was kept"
        raise DivergedError(
            f"{bad[0]} is not a number near step {step}. Lower learning_rate; {kept}."
        )


def _device(name: str) -> torch.device:
    known = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if name.partition(":")[0] not in known:
        raise DeviceError(f"device {name!r} is not available. Here: {', '.join(known)}.")
    return torch.device(name)
