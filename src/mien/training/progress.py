"""What a run tells the world: a log file, TensorBoard, and curves at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LOG_FILE = "log.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands, for a live line.

    Attributes:
        step: Batches done.
        steps: Batches in all.
        loss: Mean of the last steps.
        images_per_s: Since the start of this process.
        seconds_left: Until the last step.
        metrics: Validation metrics of the last evaluation.
    """

    step: int
    steps: int
    loss: float
    images_per_s: float
    seconds_left: float
    metrics: dict[str, float]


Report = Callable[[Progress], None]


class Log:
    """Appends every evaluation to ``log.jsonl`` and to TensorBoard's event file.

    Args:
        folder: Of the run.
        first: Steps done when this process began; events after them are from a killed one.
    """

    def __init__(self, folder: Path, first: int) -> None:
        self.path = folder / LOG_FILE
        self._writer: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, row: dict[str, float]) -> None:
        """Add one evaluation; the key ``step`` says when."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self._writer is not None:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(name, value, int(row["step"]))
            self._writer.flush()


def read_log(folder: Path) -> list[dict[str, float]]:
    """Rows of a run's log; a step that was done twice after a kill counts once."""
    path = folder / LOG_FILE
    if not path.exists():
        return []
    rows = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    return list({row["step"]: row for row in rows}.values())
