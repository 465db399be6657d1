"""Metrics over steps of worse pictures, and the worst face that a model should answer for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.evaluation.bootstrap import Estimate

SIZE, SHARPNESS = "size", "sharpness"
"""The kinds of curves that proposals are made from."""


@dataclass(frozen=True, slots=True)
class Losses:
    """How much worse answers may be that are still given.

    Attributes:
        fall: By how much a share may fall.
        growth: By what part an error may grow.
    """

    fall: Mapping[str, float]
    growth: Mapping[str, float]

    def judge(self, metric: str) -> bool:
        """Whether a metric counts."""
        return metric in self.fall or metric in self.growth

    def allow(self, metric: str, value: float, best: float) -> bool:
        """Whether a value is nearly as good as the best one."""
        if metric in self.fall:
            return value >= best - self.fall[metric]
        return value <= best * (1 + self.growth[metric])

    def describe(self, metrics: Sequence[str]) -> str:
        """In words, for those metrics that count."""
        return ", ".join(
            f"{100 * self.fall[metric]:.0f} points of {metric}"
            if metric in self.fall
            else f"{100 * self.growth[metric]:.0f} % more {metric.removesuffix(', years')}"
            for metric in metrics
            if self.judge(metric)
        )


EXPRESSION, AGE, IN_BIN, GENDER = (
    "expression accuracy",
    "age MAE, years",
    "age in labelled bin",
    "gender accuracy",
)

ALLOWED = {
    SIZE: Losses(fall={EXPRESSION: 0.10, IN_BIN: 0.10, GENDER: 0.05}, growth={AGE: 0.25}),
    # Wider: low contrast lowers the sharpness of good faces, too, so that a higher limit costs
    # answers that are right.
    SHARPNESS: Losses(fall={EXPRESSION: 0.10, IN_BIN: 0.10, GENDER: 0.10}, growth={AGE: 1 / 3}),
}
"""What may be lost, by the kind of curve."""


@dataclass(frozen=True, slots=True)
class Level:
    """A metric at one step.

    Attributes:
        level: The step in the unit of its kind; ``None`` is the picture as it is.
        estimate: Value, 95 % interval and n.
        before: The value for the same faces as they are, where every step has other faces.
    """

    level: float | None
    estimate: Estimate
    before: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One metric of the same faces over all steps of one kind.

    Attributes:
        kind: Name in `mien.evaluation.degrade.kinds`, e.g. ``"size"``; or ``"sharpness"``.
        metric: E.g. ``"age MAE, years"``.
        protocol: On which faces, without the step.
        levels: From good to bad pictures; the first is the picture as it is.
    """

    kind: str
    metric: str
    protocol: str
    levels: tuple[Level, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "kind": self.kind,
            "metric": self.metric,
            "protocol": self.protocol,
            "levels": [
                {
                    "level": step.level,
                    "value": step.estimate.value,
                    "low": step.estimate.low,
                    "high": step.estimate.high,
                    "n": step.estimate.n,
                }
                for step in self.levels
            ],
        }


def propose_min_face_px(curves: Sequence[Curve]) -> int | None:
    """The smallest measured face width down to which a model answers nearly as well as at most.

    From the largest measured width on downwards, widths count as long as no metric is worse there
    than `ALLOWED` says, compared with its value at the largest width. The rule goes by the values
    and not by their intervals: take some hundred faces.

    Args:
        curves: Of one data set; other kinds and other metrics do not matter.

    Returns:
        Pixels; ``None`` where less than two widths were measured.
    """
    width = _lowest_good(curves, SIZE)
    return None if width is None else int(width)


def propose_min_sharpness(curves: Sequence[Curve]) -> float | None:
    """The smallest measured sharpness down to which a model answers nearly as well as at most.

    The rule of `propose_min_face_px`; every sharpness is compared with the same faces as they are.

    Args:
        curves: From `mien.evaluation.sharpness.by_sharpness`.

    Returns:
        `Quality.sharpness`; ``None`` where less than two steps of it were measured.
    """
    return _lowest_good(curves, SHARPNESS)


def _lowest_good(curves: Sequence[Curve], kind: str) -> float | None:
    """The last step of a kind, from the largest number downwards, before a metric is too bad."""
    judged = [c for c in curves if c.kind == kind and ALLOWED[kind].judge(c.metric)]
    steps = sorted({s.level for c in judged for s in c.levels if s.level is not None})
    if len(steps) < 2:
        return None
    lowest = steps.pop()
    while steps and all(_good(curve, steps[-1]) for curve in judged):
        lowest = steps.pop()
    return lowest


def _good(curve: Curve, level: float) -> bool:
    """Whether a metric is nearly what it was before, or else what it is at the largest number."""
    steps = {step.level: step for step in curve.levels if step.level is not None}
    if level not in steps:
        return False
    found = steps[level]
    best = steps[max(steps)].estimate.value if found.before is None else found.before
    return ALLOWED[curve.kind].allow(curve.metric, found.estimate.value, best)


def allowed_losses(curves: Sequence[Curve], kind: str = SIZE) -> str:
    """What a proposal from one kind of curve allows for the metrics measured, in words."""
    metrics = dict.fromkeys(curve.metric for curve in curves if curve.kind == kind)
    return ALLOWED[kind].describe(list(metrics))
