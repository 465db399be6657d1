"""What all frames of one person say together: probabilities in, probabilities out.

Age and gender do not change within a clip: `Pool` averages all frames. The expression does:
`ExpressionFilter` averages about the last `VideoConfig.smoothing_s` seconds, and fewer while the
expression changes. Measured in docs/decisions/014-smoothing.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.config import VideoConfig
from mien.track.weight import FLOOR

Probabilities: TypeAlias = npt.NDArray[np.float64]

CONSTANT_HEADS = frozenset({"age", "gender"})
"""What does not change while somebody is in view; any other head is taken for an expression."""

SHORT = 1 / 5
"""Time constant of the short average that notices a change, as a share of the long one."""

HASTE = 12.0
"""How much faster than its own time constant the long average may follow the short one."""

NEAR, FAR = 0.15, 0.4
"""Total variation between the two at which the long one begins to hurry, and hurries most."""


class Pool:
    """Answer about something constant: the weighted mean of the frames' distributions.

    A linear opinion pool (Stone, "The Opinion Pool", Ann. Math. Statist. 32(4), 1961; compared
    with the logarithmic one by Genest and Zidek, "Combining Probability Distributions", Statist.
    Sci. 1(1), 1986). Its mean is the mean of the frames' means, exactly, and no single frame
    can veto an age. Distributions are not multiplied: frames of one clip show one
    face in one light and err alike, so that a product would claim a certainty nobody has.
    """

    def __init__(self) -> None:
        self._sum: Probabilities = np.zeros(0)
        self._weight = 0.0

    @property
    def value(self) -> Probabilities:
        """The mean so far; a new array."""
        return self._sum / self._weight

    def update(self, time_s: float, probabilities: Probabilities, weight: float) -> Probabilities:
        """Add one frame and return the mean of all."""
        del time_s
        weighted = weight * np.asarray(probabilities, np.float64)
        self._sum = self._sum + weighted if self._weight else weighted
        self._weight += weight
        return self.value


class ExpressionFilter:
    """Answer about something that changes: an exponential average that hurries after a change.

    With a fixed time constant of 0.4 s a new label would win 0.28 s late. So a short average runs
    beside the long one, and the further the two are apart, the faster the long one follows: as in
    the 1€ filter (Casiez, Roussel and Vogel, CHI 2012), with total variation for the speed. A
    confident change wins after about a quarter of the time constant; jitter stays below `NEAR`
    and is averaged as if nothing hurried.

    Frames may come at any times. Every average is a weighted mean that forgets, so the first
    frames count as many as they are, and after a gap the old ones hardly count. Weights count by
    their square root: blur disturbs the expression less than the age, and a face that is blurred
    from now on must not keep its last clear expression for seconds.

    Args:
        smoothing_s: Time constant in seconds; 0 hands every frame through.
    """

    def __init__(self, smoothing_s: float) -> None:
        self._tau = smoothing_s
        self._time_s = 0.0
        self._long: Probabilities = np.zeros(0)
        self._short: Probabilities = np.zeros(0)
        self._long_mass = 0.0
        self._short_mass = 0.0
        self.count = 0.0
        """How many frames the long average still remembers, whatever their weights."""

    def update(self, time_s: float, probabilities: Probabilities, weight: float) -> Probabilities:
        """Add one frame and return the average at its time."""
        frame = np.array(probabilities, np.float64)
        weight = math.sqrt(weight)
        if not self._tau or not self.count:
            self._long = self._short = frame
            self._long_mass = self._short_mass = weight
            self.count = 1.0
        else:
            # A clock that is set back means that no time has passed.
            passed = max(0.0, time_s - self._time_s) / self._tau
            kept = math.exp(-passed)
            self.count = self.count * kept + 1
            self._long_mass = self._long_mass * kept + weight
            self._short_mass = self._short_mass * math.exp(-passed / SHORT) + weight
            self._long = _towards(self._long, frame, weight / self._long_mass)
            self._short = _towards(self._short, frame, weight / self._short_mass)
            apart = 0.5 * float(np.abs(self._short - self._long).sum())
            haste = HASTE * min(1.0, max(0.0, (apart - NEAR) / (FAR - NEAR)))
            self._long = _towards(self._long, self._short, 1 - math.exp(-passed * haste))
        self._time_s = time_s
        return self._long.copy()


def _towards(here: Probabilities, there: Probabilities, share: float) -> Probabilities:
    """Part of the way; in this form no probability can become negative by rounding."""
    return (1 - share) * here + share * there


class Estimate(Protocol):
    """What one head of one person says so far."""

    def update(self, time_s: float, probabilities: Probabilities, weight: float) -> Probabilities:
        """Add one frame and return the answer with it."""
        ...


class Smoother:
    """Keeps one estimate a person and head, and gives each frame the answer up to it.

    Args:
        config: `VideoConfig.smoothing_s` counts.

    Example:
        >>> smoother = Smoother(VideoConfig())
        >>> frame = {"gender": np.array([0.9, 0.1])}
        >>> smoother.update(1, 0.0, frame, weight=0.8)["gender"]
        array([0.9, 0.1])
    """

    def __init__(self, config: VideoConfig) -> None:
        self._smoothing_s = config.smoothing_s
        self._tracks: dict[int, dict[str, Estimate]] = {}

    def update(
        self,
        track_id: int,
        time_s: float,
        probabilities: Mapping[str, Probabilities],
        weight: float,
    ) -> dict[str, Probabilities]:
        """Add one frame of one person.

        Args:
            track_id: Who.
            time_s: Time stamp of the frame in seconds, not before the person's last one.
            probabilities: Of every head, shape ``(k,)``, sums to one.
            weight: See `frame_weight`; at least `FLOOR` is taken.

        Returns:
            What all frames of the person up to this one say, with the same keys and shapes.
        """
        track = self._tracks.setdefault(track_id, {})
        answers = {}
        for head, values in probabilities.items():
            if head not in track:
                constant = head in CONSTANT_HEADS
                track[head] = Pool() if constant else ExpressionFilter(self._smoothing_s)
            answers[head] = track[head].update(time_s, values, max(FLOOR, weight))
        return answers

    def forget(self, keep: Collection[int]) -> None:
        """Drop every person but these, so that memory does not grow with a clip."""
        for track_id in self._tracks.keys() - set(keep):
            del self._tracks[track_id]
