"""What does one face cost in every shipped attribute model?

    python benchmarks/bench_models.py --out benchmarks/results/models.csv

Runs each model of the manifest on random chips, alone and in batches of 32, with one thread and
with two, in rounds that visit all models in turn, so that a busy moment hits all of them. With one
thread it counts processor time, which other work on the machine hardly changes; with two,
wall-clock time. `network` is the ONNX session alone, `predict` includes normalising the chips and
the softmax. It does not measure detection, alignment or decoding.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from surroundings import append, surroundings

from mien.attributes import OnnxAttributeModel
from mien.images import normalise
from mien.models import Session, load_manifest, verified_path

BATCHES = (1, 32)
THREADS = (1, 2)


def works() -> Iterator[tuple[tuple[str, str, int, int], Callable[[], object]]]:
    """What is timed: model, figure, threads, batch, and the call."""
    rng = np.random.default_rng(0)
    for name, spec in load_manifest().items():
        if spec.task != "attributes" or spec.input is None:
            continue
        size = spec.input.size
        for threads in THREADS:
            model = OnnxAttributeModel(name, threads=threads)
            session = Session(verified_path(spec), threads=threads)
            for batch in BATCHES:
                chips = rng.integers(0, 256, (batch, size, size, 3), np.uint8)
                image = normalise(chips, spec.input)
                heads = list(spec.heads)
                yield (
                    (name, "network", threads, batch),
                    lambda s=session, x=image, h=heads: s.run(x, h),  # type: ignore[misc]
                )
                yield (
                    (name, "predict", threads, batch),
                    lambda m=model, c=chips: m.predict(c),  # type: ignore[misc]
                )


def measure(rounds: int) -> dict[tuple[str, str, int, int], list[float]]:
    """Milliseconds a face of every call."""
    calls = dict(works())
    for work in calls.values():
        work()
    found = defaultdict(list)
    for _ in range(rounds):
        for key, work in calls.items():
            clock = time.process_time if key[2] == 1 else time.perf_counter
            repeat = 1 if key[3] > 1 else 8
            start = clock()
            for _ in range(repeat):
                work()
            found[key].append(1e3 * (clock() - start) / repeat / key[3])
    return found


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--out", type=Path, help="CSV to append to")
    arguments = parser.parse_args()
    common = surroundings() | {"onnxruntime": onnxruntime.__version__}
    rows = [
        {
            "model": model,
            "figure": figure,
            "threads": threads,
            "batch": batch,
            "ms_per_face": f"{statistics.median(times):.3f}",
            "p95": f"{statistics.quantiles(times, n=20)[-1]:.3f}",
            "clock": "CPU" if threads == 1 else "wall",
            **common,
        }
        for (model, figure, threads, batch), times in measure(arguments.rounds).items()
    ]
    for row in rows:
        print(*(row[k] for k in ("model", "figure", "threads", "batch", "ms_per_face", "p95")))
    if arguments.out is not None:
        append(arguments.out, rows)


if __name__ == "__main__":
    main()
