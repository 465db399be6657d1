"""Progress on stderr, for anything that takes longer than two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeAlias

Advance: TypeAlias = Callable[[int, int | Sized | None], None]
"""Told how much is done, and of how much; ``None`` when nobody knows."""

PATIENCE_S = 2.0
"""Anything faster than this needs no bar."""


@contextmanager
def bar(label: str, *, hidden: bool = False) -> Iterator[Advance]:
    """Yield a function ``(done, total)`` that shows a bar with rate and time left.

    Nothing appears within the first two seconds, when `hidden`, or when stderr is no terminal.
    ``total`` may be something with a length: it is only counted once the bar appears. A number may
    change while the work goes on; ``None`` means that there is no end in sight.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    started = time.monotonic()
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=hidden,
    )
    task = progress.add_task(label, total=None, rate="")
    shown = False

    def advance(done: int, total: int | Sized | None) -> None:
        nonlocal shown
        seconds = time.monotonic() - started
        if seconds < PATIENCE_S or hidden or not progress.console.is_terminal:
            return
        if total is None or isinstance(total, int):
            progress.update(task, total=total)
        elif not shown:
            progress.update(task, total=len(total))
        if not shown:
            progress.start()
            shown = True
        progress.update(task, completed=done, rate=f"{done / seconds:.1f}/s")

    try:
        yield advance
    finally:
        if shown:
            progress.stop()
