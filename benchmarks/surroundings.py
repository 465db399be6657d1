"""What has to be equal before two rows of a benchmark may be compared, and where rows go."""

from __future__ import annotations

import csv
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def surroundings() -> dict[str, str]:
    """Commit, processor, cores, load and Python of this run."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return {
        "commit": commit.stdout.strip() or "unknown",
        "cpu": cpu_name(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
    }


def append(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Add rows to a CSV, below its header or with one; all rows have the same columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        if is_new:
            table.writeheader()
        table.writerows(rows)


def cpu_name() -> str:
    """Model name of the processor."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
