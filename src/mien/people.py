"""Who is seen in a clip, how long, and with which expressions: one summary a person.

A person is a face that was followed: the same `Face.track_id` in the same clip. The number names
nobody, and somebody who comes back after a cut or a long absence is counted again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from mien.results import Distribution, Face, FrameResult, Smoothed

POSITIVE = ("happiness",)
NEGATIVE = ("sadness", "anger", "disgust", "fear", "contempt")
"""Expressions that `balance` counts; neutral and surprise count as zero."""

LONGEST_STEP_S = 0.5
"""A frame stands for no longer than this, unless the frames of the clip lie further apart."""

RECENT_STEPS = 15
NO_TIME_S = 1e-6
"""Weight of a frame that stands for no time, so that a clip of one frame has shares, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What one clip says about one person.

    Attributes:
        source: Path, URL or name of the clip, as the user gave it.
        track_id: Number of the person within the clip. It names nobody.
        first_s: Time of the first frame with this person, in seconds.
        last_s: Time of the last one.
        screen_time_s: How long the person is seen, see `FrameClock`.
        frames: In how many frames.
        age_years: Apparent age, from the last smoothed answer: what all frames of the
            person say together. From the last answer of a single frame when nothing was smoothed.
        age_low: Lower end of its 80 % interval.
        age_high: Upper end of its 80 % interval.
        age_group: Most probable age group.
        age_distribution: Probability of every age from 0 to 100 years.
        gender: Apparent gender as data sets label it, from the same answer as the age.
        emotion: Share of every facial expression in the screen time: the mean over time of
            the (smoothed) probabilities.
        balance: Mean over time of `balance`; ``None`` when not asked for.
    """

    source: str
    track_id: int
    first_s: float
    last_s: float
    screen_time_s: float
    frames: int
    age_years: float | None = None
    age_low: float | None = None
    age_high: float | None = None
    age_group: str | None = None
    age_distribution: tuple[float, ...] | None = None
    gender: Distribution | None = None
    emotion: Distribution | None = None
    balance: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        age = None
        if self.age_years is not None:
            age = {
                "years": self.age_years,
                "low": self.age_low,
                "high": self.age_high,
                "group": self.age_group,
                "distribution": self.age_distribution and list(self.age_distribution),
            }
        return {
            "source": self.source,
            "track_id": self.track_id,
            "first_s": self.first_s,
            "last_s": self.last_s,
            "screen_time_s": self.screen_time_s,
            "frames": self.frames,
            "age": age,
            "gender": None if self.gender is None else self.gender.to_dict(),
            "emotion": None if self.emotion is None else self.emotion.to_dict(),
            "balance": self.balance,
        }


def balance(shares: Mapping[str, float]) -> float | None:
    """Positive minus negative facial expressions, from -1 to 1.

    The probability of happiness minus those of sadness, anger, disgust, fear and contempt. It says
    how often a face looks one way or the other; it is **no validated measure of valence** and says
    nothing about what anybody feels.

    Args:
        shares: Probability by expression.

    Returns:
        ``None`` when the expressions that were asked for have no positive or no negative one:
        then nothing could balance.
    """
    positive = [shares[name] for name in POSITIVE if name in shares]
    negative = [shares[name] for name in NEGATIVE if name in shares]
    return sum(positive) - sum(negative) if positive and negative else None


class FrameClock:
    """How long every frame of a clip stands for: until the next one.

    Where frames are missing (a damaged place, a camera that hung), that would be too long. So a
    frame stands for at most `LONGEST_STEP_S` or, when the frames of the clip lie further apart
    (``--every 2s``), for one and a half times the usual distance of the last frames.
    """

    def __init__(self) -> None:
        self._steps: deque[float] = deque(maxlen=RECENT_STEPS)
        self._last_s: float | None = None

    def advance(self, time_s: float) -> float:
        """Take the time of the next frame; returns how long the frame before it stands for."""
        last_s, self._last_s = self._last_s, time_s
        if last_s is None:
            return 0.0
        step = max(0.0, time_s - last_s)
        if step:
            self._steps.append(step)
        return min(step, self._limit())

    def rest(self) -> float:
        """How long the last frame stands for: as long as the usual one."""
        return min(median(self._steps), self._limit()) if self._steps else 0.0

    def _limit(self) -> float:
        usual = median(self._steps) if self._steps else 0.0
        return max(LONGEST_STEP_S, 1.5 * usual)


class Sums:
    """What is kept of one person while a clip runs: sums and the last answer, never frames.

    Attributes:
        answer: Values of `Person` that the last answered frame gives: age and gender.
    """

    __slots__ = ("_shares", "answer", "first_s", "frames", "last_s", "screen_time_s")

    def __init__(self) -> None:
        self.first_s = float("inf")
        self.last_s = float("-inf")
        self.screen_time_s = 0.0
        self.frames = 0
        self.answer: dict[str, Any] = {}
        self._shares: dict[str, float] = {}

    def add_frames(self, first_s: float, last_s: float, screen_time_s: float, frames: int) -> None:
        """Count frames in which the person is seen."""
        self.first_s = min(self.first_s, first_s)
        self.last_s = max(self.last_s, last_s)
        self.screen_time_s += screen_time_s
        self.frames += frames

    def add_expressions(self, weighted: Iterable[tuple[str, float]]) -> None:
        """Add probabilities times seconds, by expression."""
        for name, value in weighted:
            self._shares[name] = self._shares.get(name, 0.0) + value

    def person(self, source: str, track_id: int, *, with_balance: bool = False) -> Person:
        """The summary so far."""
        total = sum(self._shares.values())
        shares = {name: value / total for name, value in self._shares.items()} if total else {}
        return Person(
            source=source,
            track_id=track_id,
            first_s=self.first_s,
            last_s=self.last_s,
            screen_time_s=self.screen_time_s,
            frames=self.frames,
            emotion=Distribution(tuple(shares), tuple(shares.values())) if shares else None,
            balance=balance(shares) if with_balance else None,
            **self.answer,
        )


class People:
    """Gathers the people of a stream of results; memory grows with the people, not the frames.

    Results of several clips may come mixed. Faces without a number or a time (stills) belong to
    nobody and are only counted.

    Attributes:
        stills: How many faces were left out because nobody followed them.
    """

    def __init__(self) -> None:
        self.stills = 0
        self._clips: dict[str, _Clip] = {}

    def add(self, result: FrameResult) -> None:
        """Take the next frame of a clip."""
        if result.time_s is None:
            self.stills += len(result.faces)
            return
        self.stills += sum(face.track_id is None for face in result.faces)
        clip = self._clips.setdefault(result.source, _Clip())
        clip.finish(clip.clock.advance(result.time_s))
        clip.pending = result

    def summary(self, *, with_balance: bool = False) -> list[Person]:
        """Everybody so far, clip by clip, in the order in which they were first seen.

        Args:
            with_balance: Fill `Person.balance`.
        """
        for clip in self._clips.values():
            clip.finish(clip.clock.rest())
        return [
            sums.person(source, track_id, with_balance=with_balance)
            for source, clip in self._clips.items()
            for track_id, sums in clip.people.items()
        ]


class _Clip:
    """The people of one clip, and the frame that waits to know how long it stands for."""

    def __init__(self) -> None:
        self.clock = FrameClock()
        self.pending: FrameResult | None = None
        self.people: dict[int, Sums] = {}

    def finish(self, seconds: float) -> None:
        """Count the frame that waits; it stood for so long."""
        result, self.pending = self.pending, None
        if result is None or result.time_s is None:
            return
        for face in result.faces:
            if face.track_id is not None:
                sums = self.people.setdefault(face.track_id, Sums())
                sums.add_frames(result.time_s, result.time_s, seconds, 1)
                _add_answers(sums, face, max(seconds, NO_TIME_S))


def _add_answers(sums: Sums, face: Face, seconds: float) -> None:
    """Add what is said about a face; smoothed answers go before those of the single frame."""
    smoothed = face.smoothed or Smoothed()
    expression = smoothed.emotion or face.emotion
    if expression is not None:
        pairs = zip(expression.labels, expression.probabilities, strict=True)
        sums.add_expressions((name, seconds * value) for name, value in pairs)
    age, gender = smoothed.age or face.age, smoothed.gender or face.gender
    if age is not None:
        sums.answer |= {
            "age_years": age.years,
            "age_low": age.low,
            "age_high": age.high,
            "age_group": age.group,
            "age_distribution": age.distribution,
        }
    if gender is not None:
        sums.answer["gender"] = gender
