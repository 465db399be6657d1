"""Accuracy on pictures that are made worse in steps.

The face is located in the picture as it is; then the picture is made worse step by step, and every
step goes through the pipeline that serves, from alignment on. So the curves say what the attribute
model loses, not what a detector would no longer find.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mien.datasets import Dataset
from mien.errors import MienError
from mien.evaluation import bootstrap, sharpness
from mien.evaluation.curves import SIZE, Curve, Level, allowed_losses, propose_min_face_px
from mien.evaluation.findings import Findings, Part, Row
from mien.evaluation.protocols import Answers
from mien.evaluation.protocols.followed import followed
from mien.evaluation.steps import Degradation, Series, Step, face_by_face, sample
from mien.images import decode
from mien.interfaces import Detection, Frame, Image
from mien.pipeline import Analyzer
from mien.results import Face


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture that is made worse when a worker has time."""

    source: str
    image: Image
    face: Detection
    step: Step

    def load(self) -> Frame:
        try:
            image, face = self.step.kind.apply(self.image, self.face, self.step.level)
        except MienError as error:
            return Frame(source=self.source, error=str(error))
        return Frame(source=self.source, image=image, detections=(face,))


def robustness(
    analyzer: Analyzer,
    dataset: Dataset,
    answers: Answers,
    degradation: Degradation,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Findings, tuple[str, ...]]:
    """Measure everything again on worse pictures.

    Args:
        analyzer: That gave the answers.
        dataset: Reads the images.
        answers: To the pictures as they are; their faces say where to cut.
        degradation: What is done to the pictures, and to how many.
        progress: Called with pictures done and in total.

    Returns:
        Lines and curves, and notes on what was measured.

    Raises:
        InputError: An image can no longer be read.
    """
    total = len(answers.records)
    chosen = sample([record.name for record in answers.records], degradation.faces)
    answers = replace(
        answers,
        records=[answers.records[k] for k in chosen],
        faces=[_slim(answers.faces[k]) for k in chosen],
    )
    places = [_place(face) for face in answers.faces]
    series = [Series.of(kind, places) for kind in degradation.kinds]
    steps = face_by_face(series)
    worse: dict[tuple[str, float], dict[int, Face]] = defaultdict(dict)
    results = analyzer.run(_pictures(dataset, answers, places, steps), keep_images=False)
    for done, (step, (_, result)) in enumerate(zip(steps, results, strict=True), start=1):
        if result.faces and result.faces[0].skipped is None:
            worse[step.kind.name, step.level][step.face] = _slim(result.faces[0])
        if progress is not None:
            progress(done, len(steps))
    findings = Findings()
    for one in series:
        findings += _measure(one, answers, worse)
    spec = analyzer.model.spec
    notes = [*_notes(answers, total, series, findings.curves, spec.min_face_px)]
    if any(one.kind.name == sharpness.BLUR for one in series):
        curves, rows = sharpness.by_sharpness(answers, worse)
        findings += Findings(rows=tuple(rows))
        notes += sharpness.notes(answers, worse, curves, spec.min_sharpness)
    return findings, tuple(notes)


def _slim(face: Face) -> Face:
    """Without the distribution of age: it is most of a face's memory, and nothing reads it here."""
    return face if face.age is None else replace(face, age=replace(face.age, distribution=()))


def _place(face: Face) -> Detection:
    """Where the detector saw the face."""
    return Detection(box=face.box, score=face.score, landmarks=face.landmarks)


def _pictures(
    dataset: Dataset, answers: Answers, places: Sequence[Detection], steps: Sequence[Step]
) -> Iterator[_Picture]:
    """One after the other; only the image of the current face is held."""
    for face, group in groupby(steps, key=lambda step: step.face):
        name = answers.records[face].name
        image = decode(dataset.read(name))
        for step in group:
            yield _Picture(name, image, places[face], step)


def _measure(
    series: Series, answers: Answers, worse: Mapping[tuple[str, float], Mapping[int, Face]]
) -> Findings:
    """Curves of one kind, and a line for each of their points."""
    kind = series.kind
    answered: dict[float | None, Mapping[int, Face]] = {
        None: {k: answers.faces[k] for k in series.faces},
        **{level: worse.get((kind.name, level), {}) for level in series.levels},
    }
    protocols: dict[str, str] = {}
    points: dict[str, list[Level]] = {}
    for level, faces in answered.items():
        records = [answers.records[k] for k in faces]
        for values in followed(replace(answers, records=records, faces=list(faces.values()))):
            [found] = bootstrap.estimate([bootstrap.mean(values.values)])
            protocols.setdefault(values.metric, values.where)
            points.setdefault(values.metric, []).append(Level(level, found))
    curves = tuple(
        Curve(kind=kind.name, metric=metric, protocol=protocols[metric], levels=tuple(levels))
        for metric, levels in points.items()
        if len(levels) > 1
    )
    rows = (
        Row(
            metric=curve.metric,
            protocol=f"{curve.protocol}, {kind.describe(point.level)}",
            estimate=point.estimate,
            part=Part.ROBUSTNESS,
        )
        for curve in curves
        for point in curve.levels
    )
    return Findings(rows=tuple(rows), curves=curves)


def _notes(
    answers: Answers, total: int, series: Sequence[Series], curves: Sequence[Curve], current: int
) -> Iterator[str]:
    """On which faces, what was left out, and which smallest face that suggests."""
    where, count = answers.where, len(answers.records)
    *first, last = (one.kind.heading for one in series)
    what = " and ".join([", ".join(first)] * bool(first) + [last])
    faces = f"{count:,} of {total:,} faces, chosen by a hash of their names"
    yield (
        f"{where}: {what} varied on {faces if count < total else f'all {total:,} faces'}; they are "
        "located in the pictures as they are, so the model is measured and not the detector."
    )
    for one in series:
        left_out = ", ".join(f"{level:g}" for level in one.kind.levels if level not in one.levels)
        if left_out:
            yield (
                f"{where}: {one.kind.heading}: no step of {left_out} px, for most faces are "
                "narrower and none is enlarged."
            )
        if one.levels and len(one.faces) < count:
            yield (
                f"{where}: {one.kind.heading}: {count - len(one.faces):,} faces narrower than "
                f"{max(one.levels):g} px are left out, so that all widths are measured on the same."
            )
    proposed = propose_min_face_px(curves)
    if proposed is not None:
        widest = max(max(one.levels, default=0) for one in series if one.kind.name == SIZE)
        yield (
            f"{where}: proposed min_face_px = {proposed}, the model has {current}: the smallest "
            f"measured width down to which, against {widest:g} px, no more is lost than "
            f"{allowed_losses(curves)}."
        )
