"""One step of the pipeline in a thread of its own, a bounded number of items ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")

_END: Any = object()


def ahead(items: Iterable[Item], depth: int) -> Generator[Item]:
    """Yield what `items` yields, taken from it in another thread before it is asked for.

    An exception in `items` comes out here, in its turn. Closing this generator waits for the item
    that is under way and closes `items`, too.

    Args:
        items: Only one thread asks it, one item at a time.
        depth: How many items are made before anybody wants them, at most.
    """
    source = iter(items)
    waiting: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="mien-ahead") as pool:
        try:
            for _ in range(depth):
                waiting.append(pool.submit(next, source, _END))
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(next, source, _END))
                yield item
        finally:
            for future in waiting:
                future.cancel()
    close = getattr(source, "close", None)
    if close is not None:
        close()
