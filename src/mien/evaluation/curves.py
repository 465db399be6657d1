"""Metrics over steps of worse pictures, and the smallest face that a model should answer for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mien.evaluation.bootstrap import Estimate

SIZE = "size"
"""The kind of curve that proposals are made from."""

FALL = {
    "expression accuracy": 0.10,
    "expected age in labelled bin": 0.10,
    "gender accuracy": 0.05,
}
"""How far a share may fall below that of the largest faces."""

GROWTH = {"age MAE, years": 0.25}
"""By what part of that of the largest faces an error may grow."""


@dataclass(frozen=True, slots=True)
class Level:
    """A metric at one step.

    Attributes:
        level: The step in the unit of its kind; ``None`` is the picture as it is.
        estimate: Value, 95 % interval and n.
    """

    level: float | None
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One metric of the same faces over all steps of one kind.

    Attributes:
        kind: Name in `mien.evaluation.degrade.kinds`, e.g. ``"size"``.
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
    than `FALL` and `GROWTH` allow, compared with its value at the largest width. The rule goes by
    the values and not by their intervals: take some hundred faces.

    Args:
        curves: Of one data set; other kinds and other metrics do not matter.

    Returns:
        Pixels; ``None`` where less than two widths were measured.
    """
    judged = [c for c in curves if c.kind == SIZE and (c.metric in FALL or c.metric in GROWTH)]
    widths = sorted({s.level for c in judged for s in c.levels if s.level is not None})
    if len(widths) < 2:
        return None
    proposed = widths.pop()
    while widths and all(_good(curve, widths[-1]) for curve in judged):
        proposed = widths.pop()
    return int(proposed)


def _good(curve: Curve, width: float) -> bool:
    """Whether a metric is nearly what it is at the largest width."""
    values = {s.level: s.estimate.value for s in curve.levels if s.level is not None}
    if width not in values:
        return False
    best = values[max(values)]
    if curve.metric in FALL:
        return values[width] >= best - FALL[curve.metric]
    return values[width] <= best * (1 + GROWTH[curve.metric])


def allowed_losses(curves: Sequence[Curve]) -> str:
    """What `propose_min_face_px` allows for the metrics that were measured, in words."""
    metrics = dict.fromkeys(curve.metric for curve in curves if curve.kind == SIZE)
    return ", ".join(
        f"{100 * FALL[metric]:g} points of {metric}"
        if metric in FALL
        else f"{100 * GROWTH[metric]:g} % more {metric.removesuffix(', years')}"
        for metric in metrics
        if metric in FALL or metric in GROWTH
    )
