"""Run the shipped ONNX file through the shipped pipeline over a labelled data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mien.attributes import OnnxAttributeModel
from mien.config import ATTRIBUTES, AgeGroup, AnalyzeConfig
from mien.datasets import Dataset
from mien.errors import InputError, MienError
from mien.evaluation.findings import Report
from mien.evaluation.plan import Plan, plan
from mien.evaluation.protocols import Answers, measure_all
from mien.evaluation.robustness import robustness
from mien.evaluation.steps import Degradation
from mien.images import decode
from mien.interfaces import Frame
from mien.pipeline import Analyzer


@dataclass(frozen=True, slots=True)
class _Item:
    """One labelled image, read when a worker has time."""

    dataset: Dataset
    name: str

    def load(self) -> Frame:
        try:
            return Frame(source=self.name, image=decode(self.dataset.read(self.name)))
        except MienError as error:
            return Frame(source=self.name, error=str(error))


DEFAULT_GROUPS = AnalyzeConfig().age_groups


def open_analyzer(
    model: str,
    *,
    detector: str = "crop",
    threads: int = 0,
    age_groups: tuple[AgeGroup, ...] = DEFAULT_GROUPS,
) -> Analyzer:
    """An analyzer for evaluation: it asks for every head that the model has.

    Args:
        model: Name of a shipped model, or path of an exported ONNX file.
        detector: Who finds the face.
        threads: CPU threads; 0 means all cores.
        age_groups: Groups whose accuracy is measured.

    Raises:
        InputError: The model answers nothing that can be measured.
        MienError: What `Analyzer` raises.
    """
    heads = OnnxAttributeModel(model, threads=1).spec.heads
    attributes = tuple(name for name in ATTRIBUTES if name in heads)
    if not attributes:
        raise InputError(
            f"{model}: answers {', '.join(heads)}, but only {', '.join(ATTRIBUTES)} can be measured"
        )
    # Every face counts here, however small or blurred the crop is.
    return Analyzer(
        model=model,
        attributes=attributes,
        detector=detector,
        faces="largest",
        threads=threads,
        min_face_px=1,
        min_sharpness=0,
        age_groups=age_groups,
    )


def evaluate(
    analyzer: Analyzer,
    data: Dataset | Plan,
    *,
    split: str = "test",
    degradation: Degradation | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Measure everything that the labels of a data set allow.

    Args:
        analyzer: From `open_analyzer`, or built with ``faces="largest"`` and a detector that fits
            the data set: ``crop`` for sets of face crops.
        data: Labelled images, or a plan for them, whose split counts then.
        split: ``"train"``, ``"val"`` or ``"test"``.
        degradation: Measure again on worse pictures, see `mien.evaluation.robustness`. The
            analyzer's `min_face_px` should be 1 and its `min_sharpness` 0, for a face that is
            skipped is not measured.
        progress: Called with images done and in total; the total may fall, for not every face can
            be had at every step.

    Raises:
        InputError: The split is empty, the model answers nothing of what is labelled, or not a
            single face got an answer.
    """
    if not isinstance(data, Plan):
        heads = analyzer.model.spec.heads
        data = plan(data, {name: heads[name] for name in analyzer.config.attributes}, split)
    count = len(data.records)
    more = 0 if degradation is None else degradation.most_pictures(count)
    answers, unreadable = _answers(analyzer, data, lambda done: _tell(progress, done, count + more))
    name = data.dataset.name
    if not answers.faces:
        raise InputError(f"{name}: no face in any image of {data.split!r} got an answer")
    findings, notes = measure_all(answers), data.notes
    if degradation is not None:
        found, said = robustness(
            analyzer,
            data.dataset,
            answers,
            degradation,
            lambda done, total: _tell(progress, count + done, count + total),
        )
        findings, notes = findings + found, notes + said
    return Report(
        model=analyzer.model.spec.name,
        sha256=analyzer.model.sha256,
        dataset=name,
        split=data.split,
        detector=analyzer.config.detector,
        images=count,
        answered=len(answers.faces),
        unreadable=unreadable,
        findings=findings,
        notes=notes,
    )


def _tell(progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    """Progress, where somebody listens."""
    if progress is not None:
        progress(done, total)


def _answers(
    analyzer: Analyzer, data: Plan, progress: Callable[[int], None]
) -> tuple[Answers, int]:
    """Records and faces that got an answer, and how many images were unreadable."""
    labelled, faces, unreadable = [], [], 0
    items: Iterator[_Item] = (_Item(data.dataset, record.name) for record in data.records)
    results = analyzer.run(items, keep_images=False)
    for done, (record, (_, result)) in enumerate(zip(data.records, results, strict=True), start=1):
        unreadable += result.error is not None
        if result.faces and result.faces[0].skipped is None:
            labelled.append(record)
            faces.append(result.faces[0])
        progress(done)
    return Answers(labelled, faces, data.where, data.classes), unreadable
