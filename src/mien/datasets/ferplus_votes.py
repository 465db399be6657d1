"""What ten FER+ votes mean: the filters of the paper and of those who came after.

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution", ICMI 2016, section 3; details of "probability" and "multi-target" as in the
labels' public preparation. A filter turns votes into a target over any labels, or leaves the face
out. Figures from different filters cannot be compared: name the filter and n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from mien.config import EMOTIONS
from mien.errors import ConfigError, did_you_mean

VOTE_CLASSES = (*EMOTIONS, "unknown", "not a face")
"""What a vote may say, in the order of `Record.votes`."""

UNKNOWN = "unknown"
EXPRESSION_COUNT = len(EMOTIONS)

Target = tuple[float, ...] | None
Filter = Callable[[Sequence[int], Sequence[int]], Target]
"""Takes ten votes and the columns of the labels among them."""


def without_single_votes(votes: Sequence[int]) -> tuple[int, ...]:
    """Drop classes that only one person named: the paper's outlier rejection."""
    return tuple(vote if vote > 1 else 0 for vote in votes)


def majority(votes: Sequence[int]) -> int | None:
    """Class index by the paper's "majority" filter, or ``None`` when the face is left out.

    Single votes go first; the strongest class must then hold more than half of the rest and be
    one of the eight expressions.
    """
    column = _majority_column(votes)
    return column if column is not None and column < EXPRESSION_COUNT else None


def soft_target(votes: Sequence[int]) -> tuple[float, ...] | None:
    """Vote shares over the eight expressions after outlier rejection; sums to one.

    ``None`` when nobody agreed on an expression, or when most votes say "unknown" or
    "not a face".
    """
    return _soft(votes, range(EXPRESSION_COUNT))


def ferplus_target(votes: Sequence[int], filter: str, labels: Sequence[str]) -> Target:
    """Target of one face over `labels`, or ``None`` when the filter leaves the face out.

    A face whose winning class is none of the labels is left out. Filters that give shares are
    spread over the labels alone, as long as these hold at least half of the votes that count.

    Args:
        votes: The ten counts of `Record.votes`.
        filter: Name from `FILTERS`.
        labels: Some of the eight `EMOTIONS` in any order, and "unknown" where wanted.

    Returns:
        One number a label. They sum to one, except those of ``"multi-target"``: 1 for every class
        that counts as right, else 0.

    Raises:
        ConfigError: The filter or a label is unknown, or a label stands twice.
    """
    if filter not in FILTERS:
        raise ConfigError(
            f"no FER+ filter is called {filter!r}.{did_you_mean(filter, FILTERS)} "
            f"Known: {', '.join(FILTERS)}."
        )
    return FILTERS[filter](votes, _columns(labels))


def _columns(labels: Sequence[str]) -> list[int]:
    known = VOTE_CLASSES[: EXPRESSION_COUNT + 1]
    for label in labels:
        if label not in known:
            raise ConfigError(
                f"FER+ has no class {label!r}.{did_you_mean(label, known)} "
                f"Known: {', '.join(known)}."
            )
    if not labels or len(set(labels)) < len(labels):
        raise ConfigError(f"labels must be given once each, got {', '.join(labels) or 'none'}")
    return [known.index(label) for label in labels]


def _majority_column(votes: Sequence[int]) -> int | None:
    kept = without_single_votes(votes)
    best = max(kept)
    return kept.index(best) if best * 2 > sum(kept) else None


def _one_hot(winner: int | None, columns: Sequence[int]) -> Target:
    if winner not in columns:
        return None
    return tuple(float(column == winner) for column in columns)


def _shares(counted: Sequence[int], columns: Sequence[int]) -> Target:
    """Shares over the columns, which must hold at least half of what is counted."""
    inside = sum(counted[column] for column in columns)
    if inside == 0 or inside * 2 < sum(counted):
        return None
    return tuple(counted[column] / inside for column in columns)


def _majority(votes: Sequence[int], columns: Sequence[int]) -> Target:
    return _one_hot(_majority_column(votes), columns)


def _arg_max(votes: Sequence[int], columns: Sequence[int]) -> Target:
    """The class with most votes of all ten, single votes too; of equals the first in the file."""
    return _one_hot(votes.index(max(votes)) if any(votes) else None, columns)


def _soft(votes: Sequence[int], columns: Sequence[int]) -> Target:
    return _shares(without_single_votes(votes), columns)


def _raw_shares(votes: Sequence[int], columns: Sequence[int]) -> Target:
    """All votes count; with "unknown" among the labels these are the usual nine columns."""
    return _shares(votes, columns)


def _usable(columns: Sequence[int]) -> range:
    """Columns that may win: the expressions, and "unknown" where it is a label."""
    return range(EXPRESSION_COUNT + (VOTE_CLASSES.index(UNKNOWN) in columns))


def _probability(votes: Sequence[int], columns: Sequence[int]) -> Target:
    """Shares of the two or three strongest classes that explain the votes.

    After outlier rejection classes are taken from the strongest down, equal ones together, until
    they hold three quarters of the votes or are three; "unknown" and "not a face" end this. What
    was taken must be at most three classes with more than half of the votes.
    """
    kept = without_single_votes(votes)
    usable = _usable(columns)
    taken = [0] * len(kept)
    for level in sorted(set(kept) - {0}, reverse=True):
        if sum(taken) * 4 >= sum(kept) * 3 or _classes(taken) >= 3:
            break
        equals = [column for column, vote in enumerate(kept) if vote == level]
        for column in set(equals) & set(usable):
            taken[column] = level
        if not set(equals) <= set(usable):
            break
    if sum(taken) * 2 <= sum(kept) or _classes(taken) > 3:
        return None
    return _shares(taken, columns)


def _classes(taken: Sequence[int]) -> int:
    return sum(vote > 0 for vote in taken)


def _multi_target(votes: Sequence[int], columns: Sequence[int]) -> Target:
    """Every class with at least 30 % of the votes after outlier rejection is right.

    These must hold more than half of the votes, and the strongest of them must be an expression
    (or "unknown", where it is a label).
    """
    kept = without_single_votes(votes)
    strong = [vote if vote * 10 >= sum(kept) * 3 else 0 for vote in kept]
    usable = _usable(columns)
    if sum(strong) * 2 <= sum(kept) or strong.index(max(strong)) not in usable:
        return None
    shares = _shares(
        [vote if column in usable else 0 for column, vote in enumerate(strong)], columns
    )
    return None if shares is None else tuple(float(share > 0) for share in shares)


FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "majority": _majority,
        "arg-max": _arg_max,
        "probability": _probability,
        "multi-target": _multi_target,
        "soft": _soft,
        "shares": _raw_shares,
    }
)
"""Filters by name."""
