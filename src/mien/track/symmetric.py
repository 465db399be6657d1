"""Smoothing with the future too, for files: an expression begins neither late nor early."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from mien.config import VideoConfig
from mien.track.smooth import CONSTANT_HEADS, ExpressionFilter, Pool, Probabilities
from mien.track.weight import FLOOR

T = TypeVar("T")

LOOK_AHEAD = 2.0
"""Future that every answer has seen, in time constants (less at the end of a clip)."""

SLACK = 0.5
"""So much longer frames are held, in time constants, that one pass answers several of them."""


class Observation(NamedTuple):
    """One face of one frame: the arguments of `Smoother.update` but the time."""

    track_id: int
    probabilities: Mapping[str, Probabilities]
    weight: float


class _Track:
    """The running estimates of one person."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.filters: dict[str, ExpressionFilter] = {}


class _Held(NamedTuple):
    """A face that waits for its future; `past` has the filter's answer up to it, and its count."""

    track: _Track
    seen: Observation
    past: dict[str, tuple[Probabilities, float]]


class SymmetricSmoother(Generic[T]):
    """Holds frames back until `LOOK_AHEAD` time constants of their future are known.

    The expression is filtered forwards and backwards and the two averaged by the number of frames
    they remember (not by weight: the sharper side would pull a change over to itself). A change
    that one of them sees late the other sees early by as much. Age and gender are the running
    mean including the future that is held. At most ``LOOK_AHEAD + SLACK`` time constants of frames
    are held, 1 s by default.

    Args:
        config: `VideoConfig.smoothing_s` counts; with 0 no frame waits.

    Example:
        >>> smoother = SymmetricSmoother(VideoConfig(smoothing_s=0.4))
        >>> face = Observation(1, {"gender": np.array([0.9, 0.1])}, 0.8)
        >>> smoother.push("first frame", 0.0, [face])
        []
        >>> [(frame, [answer])] = smoother.flush()
        >>> frame, answer["gender"]
        ('first frame', array([0.9, 0.1]))
    """

    def __init__(self, config: VideoConfig) -> None:
        self._smoothing_s = config.smoothing_s
        self._tracks: dict[int, _Track] = {}
        self._held: deque[tuple[T, float, list[_Held]]] = deque()

    def push(
        self, item: T, time_s: float, faces: Sequence[Observation]
    ) -> list[tuple[T, list[dict[str, Probabilities]]]]:
        """Add one frame.

        Args:
            item: Whatever belongs to the frame; comes back with its answers.
            time_s: Time stamp in seconds, not before the last one.
            faces: Faces of the frame, each person once; may be empty, and so may the
                probabilities of a face.

        Returns:
            Earlier frames that are ready, in order, each with one answer a face: the same heads
            as in its `Observation`.
        """
        self._held.append((item, time_s, [self._filtered(face, time_s) for face in faces]))
        if self._held[0][1] > time_s - (LOOK_AHEAD + SLACK) * self._smoothing_s:
            return []
        return self._release(time_s - LOOK_AHEAD * self._smoothing_s)

    def flush(self) -> list[tuple[T, list[dict[str, Probabilities]]]]:
        """Answer for all frames that are left, at the end of a clip."""
        return self._release(float("inf"))

    def forget(self, keep: Collection[int]) -> None:
        """Drop every person but these; frames that are held keep what they need."""
        for track_id in self._tracks.keys() - set(keep):
            del self._tracks[track_id]

    def _filtered(self, face: Observation, time_s: float) -> _Held:
        track = self._tracks.setdefault(face.track_id, _Track())
        past = {}
        weight = max(FLOOR, face.weight)
        for head, values in face.probabilities.items():
            if head in CONSTANT_HEADS:
                track.pools.setdefault(head, Pool()).update(time_s, values, weight)
            else:
                forward = track.filters.setdefault(head, ExpressionFilter(self._smoothing_s))
                past[head] = forward.update(time_s, values, weight), forward.count
        return _Held(track, face._replace(weight=weight), past)

    def _release(self, until_s: float) -> list[tuple[T, list[dict[str, Probabilities]]]]:
        """Go backwards through all held frames and let those up to `until_s` go."""
        backward: dict[tuple[int, str], ExpressionFilter] = {}
        answers = [
            [self._answer(face, time_s, backward) for face in faces]
            for _, time_s, faces in reversed(self._held)
        ]
        ready = []
        while self._held and self._held[0][1] <= until_s:
            ready.append((self._held.popleft()[0], answers.pop()))
        return ready

    def _answer(
        self, face: _Held, time_s: float, backward: dict[tuple[int, str], ExpressionFilter]
    ) -> dict[str, Probabilities]:
        """Join past and future of one face; `backward` has seen all frames after it."""
        answers = {}
        for head, values in face.seen.probabilities.items():
            if head in CONSTANT_HEADS:
                answers[head] = face.track.pools[head].value
                continue
            key = (id(face.track), head)
            filtered = backward.setdefault(key, ExpressionFilter(self._smoothing_s))
            future = filtered.update(-time_s, values, face.seen.weight)
            past, past_count = face.past[head]
            share = filtered.count / (filtered.count + past_count)
            answers[head] = (1 - share) * past + share * future
        return answers
