"""Export and evaluate trained recipes, and write the table of docs/reproduce.md.

    python scripts/reproduce.py fer2013-cnn-small --data fer2013=fer2013.csv
    python scripts/reproduce.py --table docs/reproduce.md

The first command exports ``runs/NAME``, runs `mien evaluate` on the test split and appends its
headline figures to benchmarks/results/reproduce.csv; the second puts the newest figures of every
recipe between the markers of the document. Recipes without figures are called "not run".
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from mien.training.answers import build_model
from mien.training.progress import read_log
from mien.training.recipe import Recipe

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reproduce.csv"
COLUMNS = ("recipe", "metric", "protocol", "value", "low", "high", "n", "parameters", "steps",
           "batch", "images_per_s", "minutes", "cpu", "commit")  # fmt: skip
BEGIN, END = "<!-- table: written by scripts/reproduce.py -->", "<!-- /table -->"

ORIGINS = {
    "fer2013-cnn-small": "plain convolution nets on FER2013: about 60-66 %",
    "fer2013-mini-xception": "66 % (Arriaga et al., 2017)",
    "fer2013-mien-m": "best single net 74.1 %, people about 65 %",
    "fer2013-3-class": "about 80 % for happy, sad, neutral",
    "ferplus-mobilefacenet": "top-1 77.4 %, mean absolute error 0.0578",
    "ferplus-mobilenet": "MobileNetV2: 66.7 %",
    "utkface-age-group": "none published for these groups",
    "utkface-wide-resnet": "8.7 years on UTKFace when trained on IMDB-WIKI",
    "utkface-resnet50": "about 7 years",
}
"""What the origin of a classic reports, or what was measured with its weights."""

HEADLINES = {
    "expression accuracy": 100.0,
    "expression macro-F1": 100.0,
    "expression top-1 over 9 columns": 100.0,
    "expression MAE over 9 columns": 1.0,
    "age group accuracy": 100.0,
    "age MAE, years": 1.0,
    "gender accuracy": 100.0,
}


def mien(*arguments: str) -> None:
    """Run one command of the package."""
    subprocess.run([sys.executable, "-m", "mien", *arguments], check=True, cwd=ROOT)


def cost(name: str, processes: int) -> dict[str, object]:
    """Parameters, batches and time of a finished run, from its recipe and its log."""
    recipe = Recipe.from_toml(ROOT / "recipes" / f"{name}.toml")
    rows = read_log(ROOT / "runs" / name)
    steps, rate = rows[-1]["step"], rows[-1]["images_per_s"]
    model = build_model(recipe, empty=True)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": int(steps),
        "batch": recipe.batch_size * processes,
        "images_per_s": round(rate),
        "minutes": round(steps * recipe.batch_size * processes / rate / 60),
    }


def measure(name: str, data: list[str], processes: int) -> None:
    """Export, evaluate, append."""
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        model, report = f"{folder}/{name}.onnx", f"{folder}/report.json"
        mien("export", f"runs/{name}", "--out", model)
        sources = [part for item in data for part in ("--data", item)]
        mien("evaluate", model, *sources, "--out", report)
        reports = json.loads(Path(report).read_text("utf-8"))
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        for row in (row for part in reports for row in part["rows"]):
            whole = row["part"] in ("expression", "age", "gender")
            if row["metric"] in HEADLINES and whole:
                values = {
                    key: row[key] for key in ("metric", "protocol", "value", "low", "high", "n")
                }
                note = {"cpu": f"{machine['cpu']}, {machine['cores']} cores", "commit": commit}
                writer.writerow({"recipe": name, **values, **cost(name, processes), **note})


def table() -> str:
    """Markdown: one line a figure, the newest of every recipe and metric."""
    newest: dict[tuple[str, str, str], dict[str, str]] = {}
    if RESULTS.exists():
        with RESULTS.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                newest[row["recipe"], row["metric"], row["protocol"]] = row
    lines = [
        "| recipe | parameters | training | metric | ours (95 % interval) | n, protocol | origin |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, origin in ORIGINS.items():
        rows = [row for key, row in newest.items() if key[0] == name]
        if not rows:
            recipe = Recipe.from_toml(ROOT / "recipes" / f"{name}.toml")
            count = sum(p.numel() for p in build_model(recipe, empty=True).parameters())
            lines.append(f"| `{name}` | {count / 1e6:.2f} M | – | – | not run | – | {origin} |")
        lines += [_line(name, origin, row, first=k == 0) for k, row in enumerate(rows)]
    return "\n".join(lines)


def _line(name: str, origin: str, row: dict[str, str], *, first: bool) -> str:
    """One figure; what belongs to the whole recipe stands in its first line only."""
    scale = HEADLINES[row["metric"]]
    digits, sign = (1, " %") if scale == 100 else (4 if "MAE over" in row["metric"] else 2, "")
    value, low, high = (float(row[key]) * scale for key in ("value", "low", "high"))
    cells = [
        f"`{name}`" if first else "",
        f"{int(row['parameters']) / 1e6:.2f} M" if first else "",
        f"{row['steps']} × {row['batch']}, {row['minutes']} min" if first else "",
        row["metric"],
        f"{value:.{digits}f}{sign} ({low:.{digits}f} to {high:.{digits}f})",
        f"{row['n']}, {row['protocol']}",
        origin if first else "",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure one recipe, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="?", help="recipe whose run lies in runs/NAME")
    parser.add_argument("--data", action="append", default=[], help="NAME=PATH of the data set")
    parser.add_argument("--processes", type=int, default=1, help="of torchrun, when it was trained")
    parser.add_argument("--table", type=Path, help="document whose table is replaced")
    args = parser.parse_args()
    if args.name:
        measure(args.name, args.data, args.processes)
    if args.table:
        text = args.table.read_text("utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        args.table.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
