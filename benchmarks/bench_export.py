"""What does every export format cost: size, difference to torch, accuracy, milliseconds a face?

    python benchmarks/bench_export.py --run runs/mien-m --out benchmarks/results/export.csv

Exports one run to every format whose converter is installed, as it is and averaged over the
mirror image, and measures each file in the runtime that an app would use, on validation faces, in
processor time of one thread. The accuracy cost of 8 bits is read from the file, where `mien
export` stored it; then the choices behind it are tried one by one. It does not measure detection,
alignment or decoding, nor any processor but this one.
One CSV row a figure, appended, with everything that must be equal before two rows are compared.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from surroundings import surroundings

from mien.models import Session
from mien.models.registry import COST_KEY
from mien.training.export import calibrated, export
from mien.training.formats import formats
from mien.training.formats.base import Batch, compare, parity_faces
from mien.training.formats.int8 import METHODS, calibration_faces, quantise
from mien.training.formats.onnx_file import OnnxFile, onnx_runner
from mien.training.formats.openvino import load_openvino
from mien.training.formats.quiet import quiet_converter
from mien.training.loader import load_parts
from mien.training.state import load_run

BATCH = 16
LIBRARIES = ("torch", "onnxruntime", "openvino", "litert-torch")


def measure(work: Callable[[], object], *, repeat: int, warmup: int = 10) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds of processor time.

    With one thread that is what a free machine takes; other work on this one does not count.
    """
    for _ in range(warmup):
        work()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def figures(run: Path, name: str, *, mirror: bool, repeat: int) -> Iterator[dict[str, object]]:
    """Every figure of one format."""
    label = f"{name} --mirror" if mirror else name
    with TemporaryDirectory() as folder:
        out = Path(folder) / f"model{formats[name].suffixes[0]}"
        start = time.perf_counter()
        report = export(run, out, format=name, mirror=mirror)
        yield row(label, "time of mien export", time.perf_counter() - start, "s")
        yield row(label, "size", report.size / 1e6, "MB")
        parity = report.parity
        yield row(label, "largest difference of a logit", parity.logit, "")
        yield row(label, "largest difference of a probability", parity.probability, "")
        yield row(label, "probability that moved", 100 * parity.moved, "%")
        faces = some_faces(run)
        if name == "onnx-int8":
            yield from cost(label, out)
            yield from choices(label, run, Path(folder), mirror=mirror)
        open_file = formats[name]().open
        runner = open_file(out, tuple(report.spec.heads), threads=1)
        yield from speed(label, runner, faces, repeat)
        if name == "openvino":
            yield from own_precision(label, out, faces, repeat)


def speed(
    label: str, runner: Callable[[Batch], object], faces: Batch, repeat: int, note: str = ""
) -> Iterator[dict[str, object]]:
    """Milliseconds a face, alone and in a batch."""
    for count in (1, BATCH):
        batch = np.ascontiguousarray(faces[:count])
        median, p95 = measure(lambda batch=batch: runner(batch), repeat=repeat)  # type: ignore[misc]
        figure = f"one face, {count} a call{note}"
        yield row(label, figure, median / count, "CPU ms", p95 / count)


def own_precision(label: str, path: Path, faces: Batch, repeat: int) -> Iterator[dict[str, object]]:
    """OpenVINO computes in bfloat16 where the processor can, unless it is told not to."""
    core = load_openvino().Core()
    exact, fast = (
        core.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": 1} | settings)
        for settings in ({"INFERENCE_PRECISION_HINT": "f32"}, {})
    )
    note = f", {fast.get_property('INFERENCE_PRECISION_HINT').to_string()}"
    left, right = exact(faces), fast(faces)
    difference = max(np.abs(left[k] - right[k]).max() for k in range(len(exact.outputs)))
    yield row(label, f"largest difference of a logit{note}", float(difference), "")
    yield from speed(label, fast, faces, repeat, note)


def cost(label: str, path: Path) -> Iterator[dict[str, object]]:
    """What quantisation changed, from the file."""
    found = json.loads(Session(path, threads=1).metadata[COST_KEY])
    for when in ("before", "after"):
        for metric, value in found[when].items():
            unit = f"on {found['faces']} validation faces"
            yield row(label, f"{metric} {when} ({found['method']})", value, unit)


def choices(label: str, run: Path, folder: Path, *, mirror: bool) -> Iterator[dict[str, object]]:
    """What the choices in `mien.training.formats.int8` are worth."""
    model, recipe = load_run(run)
    source = calibrated(model, recipe, "float.onnx", mirror=mirror)[0]
    plain, out = folder / "float.onnx", folder / "choice.onnx"
    OnnxFile().write(source, plain)
    batch = some_faces(run)
    expected = onnx_runner(plain, source.heads)(batch)
    faces = calibration_faces(recipe)
    usual = {"method": "Percentile", "faces": faces}
    tried: dict[str, dict[str, Any]] = {method: {"method": method} for method in METHODS}
    tried["Percentile, eight bits"] = {"seven_bits": False}
    tried["Percentile, logits quantised"] = {"float_answers": False}
    tried["Percentile, 128 faces"] = {"faces": faces[::4]}
    for choice, settings in tried.items():
        with quiet_converter("the quantiser of ONNX Runtime"):
            quantise(plain, out, **(usual | settings))
        found = onnx_runner(out, source.heads)(batch)
        parity = compare(expected, found, source.spec)
        yield row(label, f"probability that moved: {choice}", 100 * parity.moved, "%")
        for head in source.heads:
            same = (expected[head].argmax(1) == found[head].argmax(1)).mean()
            yield row(label, f"same most probable {head}: {choice}", 100 * float(same), "%")


def some_faces(run: Path) -> Batch:
    """256 validation faces."""
    recipe = load_run(run)[1]
    return parity_faces(load_parts(recipe, "val"), recipe.input)


def row(
    file: str, figure: str, value: float, unit: str, p95: float | None = None
) -> dict[str, object]:
    """One line of the table."""
    return {
        "format": file,
        "figure": figure,
        "value": float(f"{value:.4g}"),
        "p95": "" if p95 is None else float(f"{p95:.4g}"),
        "unit": unit,
    }


def environment(run: Path) -> dict[str, str]:
    """What has to be equal before two rows may be compared."""
    return {
        "model": load_run(run)[1].name,
        "threads": "1",
        **surroundings(),
        **{library: installed(library) for library in LIBRARIES},
    }


def installed(library: str) -> str:
    """Version of a library, empty without it."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder written by mien train")
    parser.add_argument("--repeat", type=int, default=200)
    parser.add_argument("--format", action="append", help="only this one; may be repeated")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    present = [n for n in formats if all(find_spec(m) for m in formats[n].libraries)]
    surroundings = environment(args.run)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    is_new = not args.out.exists()
    with args.out.open("a", newline="") as file:
        writer = None
        for name in args.format or present:
            for mirror in (False, True):
                for line in figures(args.run, name, mirror=mirror, repeat=args.repeat):
                    full = {**line, **surroundings}
                    if writer is None:
                        writer = csv.DictWriter(file, fieldnames=list(full))
                        if is_new:
                            writer.writeheader()
                    writer.writerow(full)
                    file.flush()
                    p95 = f", p95 {line['p95']}" if line["p95"] != "" else ""
                    print(
                        f"{line['format']:20} {line['figure']:40} {line['value']!s:>10} "
                        f"{line['unit']}{p95}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
