"""A queue of one between two threads: whoever takes gets the newest item, never an old one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Slot(Generic[Item]):
    """Holds the newest item until somebody takes it; what it replaces is dropped.

    One side may be as slow as it likes: the other never waits, nothing piles up, and what is taken
    was put last.

    Attributes:
        dropped: How many items nobody took.

    Example:
        >>> slot: Slot[int] = Slot()
        >>> slot.put(1)
        >>> slot.put(2)
        >>> slot.take(), slot.dropped
        (2, 1)
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[Item] = []  # one or none; the item itself may be None
        self._is_closed = False
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Make `item` the newest; does nothing once the slot is closed."""
        with self._changed:
            if self._is_closed:
                return
            self.dropped += len(self._items)
            self._items = [item]
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> Item | None:
        """Wait for an item that nobody has taken yet.

        Args:
            timeout_s: Longest wait; ``None``: until there is one.

        Returns:
            The newest item; ``None`` when the time was up or the slot is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_closed, timeout_s)
            return self._items.pop() if self._items else None

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to take, or until the slot is closed; at most so long."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._items or self._is_closed, timeout_s))

    def close(self) -> None:
        """Nothing more will come; what is there can still be taken."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left and nothing more will come."""
        with self._changed:
            return self._is_closed and not self._items

    def __iter__(self) -> Iterator[Item]:
        """Take until the slot is closed and empty."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._is_closed)
                if not self._items:
                    return
                item = self._items.pop()
            yield item
