"""Where a face will be: a Kalman filter for its centre and size, in units of the face.

The velocity decays, as that of people does; without a look the uncertainty grows. All three
coordinates share one covariance because they are measured alike: relative to the size of the face.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mien.results import Box

NOISE = 0.03
"""Standard deviation of a detector's centre, and of the logarithm of its size."""

START_SPEED = 3.0
"""Standard deviation of the speed of a face that was seen once, in face sizes a second."""

UNREST = 1.0
"""How fast people change their speed: its standard deviation after one second, in sizes/s."""

SPEED_S = 0.1
"""Time constant with which the speed follows the flow."""

PAST_S = 1.0
"""So long what a face did before it was hidden is kept."""

HIDDEN_SHRINKS, WHOLE_SHRINKS = 0.12, 0.06
"""A box that has become this much smaller (logarithm) before it vanished slid behind something;
one that is only so much smaller than the largest still shows the whole face."""

DRIFT = 0.01
"""Error of the flow in one step, in face sizes."""

DECAY_S = np.array([1.5, 1.5, 0.3])
"""Time constants of the velocity: people walk on, but do not go on growing."""

Floats = npt.NDArray[np.float64]


class Guess(NamedTuple):
    """Where a face probably is.

    Attributes:
        centre: ``(x, y)`` in pixels.
        log_size: Logarithm of the size in pixels; the size is the root of the area.
        deviation: Standard deviation of the centre in face sizes.
        hidden: Whether the face was out of sight in the frame before.
    """

    centre: tuple[float, float]
    log_size: float
    deviation: float
    hidden: bool = False

    @property
    def size(self) -> float:
        """Root of the area of the box in pixels."""
        return math.exp(self.log_size)


class _Past(NamedTuple):
    """What was known at one time."""

    time_s: float
    log_size: float
    state: tuple[Floats, Floats, Floats]


def place_of(box: Box) -> Floats:
    """Centre and logarithm of the size of a box; an empty one counts as one pixel."""
    size = math.sqrt(max(1.0, box.width * box.height))
    return np.array([(box.left + box.right) / 2, (box.top + box.bottom) / 2, math.log(size)])


class Path:
    """The motion of one face.

    Args:
        box: Where it was seen first.
        time_s: When.

    Attributes:
        knows_speed: Whether the flow has measured the speed.
    """

    def __init__(self, box: Box, time_s: float) -> None:
        self.knows_speed = False
        self._past: deque[_Past] = deque()
        self._time_s = time_s
        self._place = place_of(box)
        self._velocity = np.zeros(3)
        self._covariance = np.diag([NOISE**2, START_SPEED**2])

    def at(self, time_s: float) -> Guess:
        """Predict, without taking notice."""
        place, _, covariance = self._predict(time_s)
        x, y, log_size = map(float, place)
        return Guess((x, y), log_size, math.sqrt(covariance[0, 0]))

    def see(self, box: Box, time_s: float, *, noise: float = NOISE, learn: bool = True) -> None:
        """Take notice of where the detector sees the face.

        Args:
            box: Where it is seen.
            time_s: When.
            noise: Standard deviation of the box, in face sizes.
            learn: Whether the speed follows from it. It should not where the flow tells the speed:
                while a face slides behind something, what is left of it shrinks and stands still;
                the face does not. Then a box that surprises counts little for the place, too.
        """
        place, velocity, covariance = self._predict(time_s)
        residual = place_of(box) - place
        variance = covariance[0, 0] + noise**2
        if not learn:
            size = math.exp(float(place[2]))
            surprise = float((residual[:2] ** 2).sum()) / size**2 + float(residual[2]) ** 2
            variance = max(variance, surprise)
        gain = covariance[:, 0] / variance * (1.0, float(learn))
        rest = np.array([[1 - gain[0], 0.0], [-gain[1], 1.0]])
        self._place = place + gain[0] * residual
        self._velocity = velocity + gain[1] * residual
        doubt = (variance - covariance[0, 0]) * np.outer(gain, gain)
        self._covariance = rest @ covariance @ rest.T + doubt
        self._time_s = time_s

    def drift(self, before: Box, before_s: float, after: Box, after_s: float) -> None:
        """Take notice of how the flow says that the face has moved between two frames."""
        step = after_s - before_s
        if step <= 0:
            return
        place, velocity, covariance = self._predict(before_s)
        change = place_of(after) - place_of(before)
        share = 1 - math.exp(-step / SPEED_S)
        self._place = place + change
        self._velocity = velocity + share * (change / step - velocity)
        self._covariance = np.diag([covariance[0, 0] + DRIFT**2, UNREST**2 * SPEED_S])
        self._time_s = after_s
        self.knows_speed = True

    def remember(self, box: Box) -> None:
        """Keep the present state, and how large the face was seen, for `lose`."""
        log_size = float(place_of(box)[2])
        state = (self._place, self._velocity, self._covariance)
        self._past.append(_Past(self._time_s, log_size, state))
        while self._time_s - self._past[0].time_s > PAST_S:
            self._past.popleft()

    def lose(self) -> None:
        """The face is out of sight. If it shrank before, go back to when it was whole."""
        if not self._past:
            return
        whole = max(past.log_size for past in self._past)
        if self._past[-1].log_size < whole - HIDDEN_SHRINKS:
            last = next(p for p in reversed(self._past) if p.log_size > whole - WHOLE_SHRINKS)
            self._time_s = last.time_s
            self._place, self._velocity, self._covariance = last.state
        self._past.clear()

    def _predict(self, time_s: float) -> tuple[Floats, Floats, Floats]:
        step = max(0.0, time_s - self._time_s)
        rest = np.exp(-step / DECAY_S)
        place = self._place + self._velocity * DECAY_S * (1 - rest)
        # The covariance follows the decay of the centre.
        f = np.array([[1.0, DECAY_S[0] * (1 - rest[0])], [0.0, rest[0]]])
        unrest = np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]])
        covariance = f @ self._covariance @ f.T + UNREST**2 * unrest
        return place, self._velocity * rest, covariance
