"""Does the loader keep up with the network, and what do bfloat16 and channels_last bring?

    python benchmarks/bench_training.py --out benchmarks/results/training.csv

Trains the network of `recipes/mien-m.toml` (112 px, batches of 128) by the recipe of its first
stage, which needs no teacher, on random chips, so that no data are needed, and measures images a
second of: the loader alone (batches augmented in one thread, as in the loop); our step on a batch
that is there already; the whole loop, with the share of its time in which the network waited for a
batch; and a plain loop: the same network, losses, optimiser and loader in fp32 with NCHW tensors,
without averaged weights. Rounds of all four take turns, and the median round counts, so that other
programs do less harm. It does not measure accuracy, validation or writing checkpoints. One CSV row
a figure, appended.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from surroundings import surroundings
from torch import Tensor, nn

from mien.align import AlignSpec
from mien.datasets import Record
from mien.training.answers import Model, build_model
from mien.training.batches import batches, make_batch
from mien.training.labels import Labels
from mien.training.loader import Mixer
from mien.training.loop import Trainer
from mien.training.objectives import Task, multi_task_loss
from mien.training.optimise import make_optimiser
from mien.training.packed import write_meta, write_records
from mien.training.prepare_jobs import BORDER
from mien.training.recipe import Recipe
from mien.training.tables import DataTable, TrainTable

RECIPE = Path(__file__).parent.parent / "recipes" / "mien-m-stage1.toml"
FACES = 512
CPU = torch.device("cpu")
QUICK = {"widths": [8, 16], "blocks": [1, 1]}


def random_faces(folder: Path, size: int, *, votes: bool) -> Path:
    """Pack noise with labels of one kind: votes, or age and gender."""
    rng = np.random.default_rng(int(votes))
    align = AlignSpec(size=size, border=BORDER)
    records = []
    for k in range(FACES):
        split = "val" if k % 8 == 7 else "train"
        if votes:  # every class is somebody's first and somebody's second choice
            shares = tuple(8 * (c == k % 8) + 2 * (c == (k // 8) % 8) for c in range(10))
            records.append(Record(name=str(k), split=split, votes=shares))
        else:
            gender = ("female", "male")[k % 2]
            years = float(rng.integers(0, 101))
            records.append(Record(name=str(k), split=split, age_years=years, gender=gender))
    side = align.packed_size
    folder.mkdir()
    np.save(folder / "chips.npy", rng.integers(0, 256, (FACES, side, side, 1), np.uint8))
    write_records(folder / "records.csv", records, np.ones(FACES, np.bool_))
    cut = {"size": size, "template": align.template, "border": align.border}
    meta = {"dataset": folder.name, "total": FACES, "align": cut, "channels": 1, "complete": True}
    write_meta(folder, meta)
    return folder


def plan(folder: Path, steps: int, *, quick: bool) -> Recipe:
    """The recipe of the default model on random faces; a tiny one for a trial."""
    recipe = Recipe.from_toml(RECIPE)
    spec = replace(recipe.input, size=32) if quick else recipe.input
    half = 8 if quick else 64
    data = (
        DataTable(
            path=str(random_faces(folder / "votes", spec.size, votes=True)),
            per_batch=half,
            mixup=0.2,
        ),
        DataTable(path=str(random_faces(folder / "ages", spec.size, votes=False)), per_batch=half),
    )
    network = QUICK if quick else recipe.network
    train = TrainTable(steps=steps, learning_rate=0.01)
    return replace(recipe, input=spec, data=data, network=network, train=train)


class Plain:
    """The loop that everybody writes first: fp32, NCHW, no averaged weights."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.train.seed)
        self.recipe = recipe
        self.model: Model = build_model(recipe)
        self.optimiser = make_optimiser(self.model, recipe.train)

    def update(self, images: Tensor, labels: Labels) -> None:
        """One step."""
        self.model.train()
        # `contiguous` would keep the strides of grey images, and with them our layout.
        columns = self.model(images.clone(memory_format=torch.contiguous_format))
        logits = self.model.logits(columns)
        heads = self.recipe.heads
        tasks = {h: Task(h, heads[h], columns[h], logits[h], labels) for h in heads}
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(multi_task_loss(tasks).values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.train.clip_norm)
        self.optimiser.step()


def loader_alone(mixer: Mixer, recipe: Recipe) -> float:
    """Images a second when nobody trains; one thread, as in the loop."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    start = time.perf_counter()
    for step in range(recipe.train.steps):
        make_batch(mixer, recipe, step, CPU)
    seconds = time.perf_counter() - start
    torch.set_num_threads(threads)
    return recipe.train.steps * recipe.batch_size / seconds


def network_alone(
    update: Callable[[Tensor, Labels], object], mixer: Mixer, recipe: Recipe
) -> float:
    """Images a second when the batch is always there."""
    batch = make_batch(mixer, recipe, 0, CPU)
    start = time.perf_counter()
    for _ in range(recipe.train.steps):
        update(*batch)
    return recipe.train.steps * recipe.batch_size / (time.perf_counter() - start)


def whole_loop(
    update: Callable[[Tensor, Labels], object], mixer: Mixer, recipe: Recipe
) -> tuple[float, float]:
    """Images a second with the loader beside the network, and the share of time spent waiting.

    The first batch, which nothing can hide, is not counted.
    """
    stream = batches(mixer, recipe, 0, CPU)
    batch = next(stream)
    waited, done = 0.0, 0
    start = time.perf_counter()
    while True:
        update(*batch)
        done += 1
        asked = time.perf_counter()
        following = next(stream, None)
        waited += time.perf_counter() - asked
        if following is None:
            break
        batch = following
    seconds = time.perf_counter() - start
    return done * recipe.batch_size / seconds, waited / seconds


def measure(recipe: Recipe, folder: Path, rounds: int) -> dict[str, float]:
    """Median of every figure over some rounds, after one that warms up and is not counted."""
    trainer, plain = Trainer(recipe, folder / "run", CPU, resume=False), Plain(recipe)
    mixer = Mixer(trainer.parts, recipe.train.seed)
    short = replace(recipe, train=replace(recipe.train, steps=2))
    for update in (trainer.update, plain.update):
        whole_loop(update, mixer, short)
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        ours, waited = whole_loop(trainer.update, mixer, recipe)
        figures = {
            "loader alone": loader_alone(mixer, recipe),
            "network alone": network_alone(trainer.update, mixer, recipe),
            "whole loop": ours,
            "waiting for batches": 100 * waited,
            "plain loop, fp32 and NCHW": whole_loop(plain.update, mixer, recipe)[0],
        }
        for name, value in figures.items():
            found.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in found.items()}
    pairs = zip(found["whole loop"], found["plain loop, fp32 and NCHW"], strict=True)
    medians["whole loop / plain loop"] = statistics.median(a / b for a, b in pairs)
    medians["loader alone / network alone"] = medians["loader alone"] / medians["network alone"]
    return medians


UNITS = {
    "waiting for batches": "% of the whole loop's time",
    "whole loop / plain loop": "times",
    "loader alone / network alone": "times",
}
"""Everything else is in images/s."""


def figures(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Every figure of this benchmark."""
    for threads in args.threads:
        torch.set_num_threads(threads)
        with tempfile.TemporaryDirectory() as name:
            recipe = plan(Path(name), args.steps, quick=args.quick)
            for figure, value in measure(recipe, Path(name), args.rounds).items():
                yield {
                    "figure": figure,
                    "network": f"{recipe.family}, {recipe.input.size} px",
                    "batch": recipe.batch_size,
                    "threads": threads,
                    "value": float(f"{value:.4g}"),
                    "unit": UNITS.get(figure, "images/s"),
                }


def environment() -> dict[str, str]:
    """What has to be equal before two rows may be compared."""
    return {
        **surroundings(),
        "torch": torch.__version__,
    }


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=20, help="batches in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of the network")
    parser.add_argument("--quick", action="store_true", help="tiny network: does it run at all?")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    surroundings = environment()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    is_new = not args.out.exists()
    with args.out.open("a", newline="", encoding="utf-8") as file:
        writer = None
        for line in figures(args):
            full = {**line, **surroundings}
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(full))
                if is_new:
                    writer.writeheader()
            writer.writerow(full)
            print(
                f"{line['figure']:30} {line['network']} x {line['batch']}, "
                f"{line['threads']} threads: {line['value']} {line['unit']}"
            )


if __name__ == "__main__":
    main()
