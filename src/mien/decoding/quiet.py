"""Keep the libraries below from talking about damaged files: the caller gets one clear reason.

Pillow warns through `warnings` and `logging`, and libtiff prints on stderr. All three are
settings of the whole process, so that a plain save-and-restore would race between threads.
A `Switch` counts its users instead: it is changed by the first and restored by the last.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import re
import threading
import warnings
from collections.abc import Callable
from types import TracebackType


class Switch:
    """A process-wide setting that is changed while at least one thread needs it.

    Args:
        change: Changes the setting and returns what puts it back.
    """

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        self._change = change
        self._restore: Callable[[], None] | None = None
        self._users = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._restore = self._change()
            self._users += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._restore is not None:
                self._restore()
                self._restore = None


def _ignore_pillow_warnings() -> Callable[[], None]:
    """Put one filter for Pillow's modules in front; `catch_warnings` is not thread-safe."""
    rule = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
    changed = warnings.filters
    changed.insert(0, rule)  # type: ignore[attr-defined]  # a list, typed as a Sequence
    # The last-resort handler prints errors on stderr when the application configured none.
    logger, handler = logging.getLogger("PIL"), logging.NullHandler()
    logger.addHandler(handler)

    def restore() -> None:
        # Somebody may have swapped the list meanwhile, and a swapped list may hold a copy.
        for filters in (changed, warnings.filters):
            with contextlib.suppress(ValueError):
                filters.remove(rule)  # type: ignore[attr-defined]
        logger.removeHandler(handler)

    return restore


def _mute_libtiff() -> Callable[[], None]:
    """Take away the handler that prints; Pillow still reports the failure as an exception."""
    from PIL import _imaging

    try:
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError):  # libtiff is linked in such that nobody can reach it
        return lambda: None
    set_handler.restype, set_handler.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    previous = set_handler(None)
    return lambda: set_handler(previous)


# The count of users has to be shared by all threads, so these two live as long as the module.
pillow_is_quiet = Switch(_ignore_pillow_warnings)
libtiff_is_quiet = Switch(_mute_libtiff)
