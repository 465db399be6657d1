"""How fast and how late the window is, over the last seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WINDOW_S = 5.0
"""Figures are about the last so many seconds."""

MOST = 4096
"""Events that one meter remembers."""

Clock = Callable[[], float]


class Rate:
    """Counts events a second. One thread ticks, others may ask.

    Args:
        window_s: How far it looks back.
        clock: Seconds that only grow.
    """

    def __init__(self, window_s: float = WINDOW_S, clock: Clock = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._times: deque[float] = deque(maxlen=MOST)

    def tick(self) -> None:
        """Count an event that happens now."""
        self._times.append(self._clock())

    def per_second(self) -> float | None:
        """Mean rate within the window; ``None`` before there are two events in it."""
        since = self._clock() - self._window_s
        times = [time_s for time_s in tuple(self._times) if time_s >= since]
        if len(times) < 2 or times[-1] <= times[0]:
            return None
        return (len(times) - 1) / (times[-1] - times[0])


class Delays:
    """Remembers how late things were.

    Args:
        window_s: How far it looks back.
        clock: Seconds that only grow.
    """

    def __init__(self, window_s: float = WINDOW_S, clock: Clock = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._delays: deque[tuple[float, float]] = deque(maxlen=MOST)

    def add(self, since_s: float) -> None:
        """Note that what happened at `since_s` (on the clock) is on the screen now."""
        now = self._clock()
        self._delays.append((now, now - since_s))

    def percentiles(self, *shares: float) -> tuple[float, ...] | None:
        """Delays in seconds that so many percent stay below; ``None`` when there were none."""
        since = self._clock() - self._window_s
        delays = [delay for when, delay in tuple(self._delays) if when >= since]
        return tuple(np.percentile(delays, shares).tolist()) if delays else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meters show at one moment; ``None`` where there is nothing to show yet.

    Attributes:
        capture: Frames a second that were read.
        inference: Frames a second that were answered.
        screen: Frames a second that were shown.
        median_s: Median delay from reading a frame to showing it.
        p95_s: Delay that 95 % of the frames stay below.
    """

    capture: float | None = None
    inference: float | None = None
    screen: float | None = None
    median_s: float | None = None
    p95_s: float | None = None


class Meters:
    """The meters of one window.

    Args:
        window_s: How far they look back.
        clock: Seconds that only grow.
    """

    def __init__(self, window_s: float = WINDOW_S, clock: Clock = time.monotonic) -> None:
        self.capture = Rate(window_s, clock)
        self.inference = Rate(window_s, clock)
        self.screen = Rate(window_s, clock)
        self.delay = Delays(window_s, clock)

    def read(self) -> Reading:
        """All figures now."""
        median_s, p95_s = self.delay.percentiles(50, 95) or (None, None)
        return Reading(
            self.capture.per_second(),
            self.inference.per_second(),
            self.screen.per_second(),
            median_s,
            p95_s,
        )
