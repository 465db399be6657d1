"""Groups of people: by race as labelled, and by gender, decade of age and race together."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mien.config import MAX_AGE
from mien.datasets import Record
from mien.evaluation import bootstrap
from mien.evaluation.bootstrap import Estimate
from mien.evaluation.findings import Findings, Part, Row, lines
from mien.evaluation.protocols.age import age_errors, bin_hits, labelled_age
from mien.evaluation.protocols.answers import Answers, PerFace
from mien.evaluation.protocols.expression import expression_hits
from mien.evaluation.protocols.gender import gender_hits

MIN_GROUP = 30
"""Groups with fewer faces are listed but not compared: their error is mostly chance."""

GAP = "largest gap"
"""How the name of every comparison begins."""

BY_CHANCE = f"{GAP} that age and chance alone make"
"""How the name of what a gap must be compared with begins."""

SHUFFLES = 1000
"""Shuffles behind it."""

Names = Sequence[str | None]
"""The group of every face in the answers; ``None`` where a label is missing."""


def group_findings(answers: Answers) -> Findings:
    """Every metric by group, and the largest gap between two groups."""
    races = [record.group for record in answers.records]
    ages = [_age(record) for record in answers.records]
    crossed, dimensions = crossed_groups(answers.records)
    rows: list[Row] = []
    wide: list[Row] = []
    for measure in (gender_hits, age_errors, bin_hits, expression_hits):
        found = measure(answers)
        rows += _by_race(found, races, ages)
        wide += _by_crossed(found, crossed, dimensions)
    return Findings(rows=(*rows, *wide))


def crossed_groups(records: Sequence[Record]) -> tuple[Names, tuple[str, ...]]:
    """Gender, decade of age and race together, as far as a data set labels them.

    Returns:
        The group of every record, e.g. ``"female, age 20-29, Asian"``, and the dimensions, e.g.
        ``("gender", "age", "race")``. With less than two dimensions there are no groups.
    """
    columns = {
        "gender": [record.gender for record in records],
        "age": [_age(record) for record in records],
        "race": [record.group for record in records],
    }
    there = {name: values for name, values in columns.items() if any(values)}
    if len(there) < 2:
        return [None] * len(records), ()
    groups = [
        ", ".join(map(str, labels)) if all(labels) else None
        for labels in zip(*there.values(), strict=True)
    ]
    return groups, tuple(there)


def _age(record: Record) -> str | None:
    """Decade of the labelled age, or the labelled bin."""
    years = labelled_age(record)
    if years is not None:
        start = int(years) // 10 * 10
        return f"age {start}-{start + 9}"
    if record.age_range is None:
        return None
    low, high = record.age_range
    return f"age {low}+" if high >= MAX_AGE else f"age {low}-{high}"


def _by_race(found: PerFace, races: Names, ages: Names) -> list[Row]:
    rows, compared = [], {}
    for name, values in _split(found, races).items():
        measures = {found.metric: bootstrap.mean(values)}
        [row] = lines(Part.GROUPS, f"{found.where}, group {name}{found.after}", measures)
        rows.append(row)
        if row.estimate.n >= MIN_GROUP:
            compared[name] = row.estimate
    if len(compared) > 1:
        protocol = f"{found.where}, groups of at least {MIN_GROUP}"
        rows.append(_gap(f"{GAP} between groups, {found.metric}", protocol, compared))
        rows.append(
            Row(
                metric=f"{BY_CHANCE}, {found.metric}",
                protocol=f"{protocol}; people of the same age shuffled between them",
                estimate=gap_by_chance(found, races, ages, list(compared)),
                part=Part.GROUPS,
            )
        )
    return rows


def gap_by_chance(found: PerFace, groups: Names, ages: Names, compared: Sequence[str]) -> Estimate:
    """The largest gap that groups would show if belonging to one of them changed nothing.

    A small group strays from its mean, and of several groups one strays upwards and one downwards;
    and where a group has more children than others, what is hard about children looks as if it
    were hard about the group. So every person's number is handed to somebody of the same age in any
    group, many times over: a permutation test in strata (Good, "Permutation, Parametric and
    Bootstrap Tests of Hypotheses", 2005).

    Args:
        found: One number a face.
        groups: Of every face in the answers.
        ages: Decade or bin of every face in the answers.
        compared: Names of two groups or more.

    Returns:
        Mean of the gap over the shuffles; 95 % of them lie between `low` and `high`.
    """
    kept = [place for place, face in enumerate(found.faces) if groups[face] in compared]
    values = found.values[kept]
    code = np.array([compared.index(str(groups[found.faces[place]])) for place in kept])
    age = np.unique([str(ages[found.faces[place]]) for place in kept], return_inverse=True)[1]
    sizes = np.bincount(code)
    generator = np.random.default_rng(0)
    by_age = np.argsort(age, kind="stable")
    gaps = np.empty(SHUFFLES)
    for shuffle in range(SHUFFLES):
        # Sorted by age and, within an age, at random: the k-th of one order trades with the k-th
        # of the other.
        order = np.lexsort((generator.random(len(age)), age))
        means = np.bincount(code[by_age], values[order]) / sizes
        gaps[shuffle] = means.max() - means.min()
    low, high = np.percentile(gaps, [2.5, 97.5])
    return Estimate(float(gaps.mean()), float(low), float(high), len(kept))


def _by_crossed(found: PerFace, names: Names, dimensions: Sequence[str]) -> list[Row]:
    groups = _split(found, names)
    rows, compared = [], {}
    for name, values in groups.items():
        measures = {found.metric: bootstrap.mean(values)}
        [row] = lines(Part.CROSSED, f"{found.where}, {name}", measures)
        rows.append(row)
        if row.estimate.n >= MIN_GROUP:
            compared[name] = row.estimate
    if len(compared) > 1:
        lowest, highest = (
            best(compared, key=lambda name: compared[name].value) for best in (min, max)
        )
        protocol = (
            f"{found.where}, {len(compared)} of {len(groups)} groups have at least {MIN_GROUP} "
            f"faces; lowest: {lowest}; highest: {highest}"
        )
        metric = f"{GAP} between {' × '.join(dimensions)} groups, {found.metric}"
        rows.insert(0, _gap(metric, protocol, compared))
    return rows


def _split(found: PerFace, names: Names) -> dict[str, npt.NDArray[np.float64]]:
    """Values of every group, in the order of their names; 20-29 comes before 100-109."""
    where: dict[str, list[int]] = {}
    for position, face in enumerate(found.faces):
        name = names[face]
        if name is not None:
            where.setdefault(name, []).append(position)
    names_in_order = sorted(where, key=lambda name: [_padded(part) for part in name.split(", ")])
    return {name: found.values[where[name]] for name in names_in_order}


def _padded(text: str) -> str:
    return re.sub(r"\d+", lambda digits: digits[0].zfill(3), text)


def _gap(metric: str, protocol: str, compared: dict[str, Estimate]) -> Row:
    """How far the best and the worst of the compared groups lie apart; without an interval."""
    values = [estimate.value for estimate in compared.values()]
    faces = sum(estimate.n for estimate in compared.values())
    nan = float("nan")
    gap = Estimate(max(values) - min(values), nan, nan, faces)
    return Row(metric=metric, protocol=protocol, estimate=gap, part=Part.GROUPS)
