"""Run the shipped ONNX file through the shipped pipeline over a labelled data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

from mien.datasets import Dataset, Record
from mien.errors import InputError, MienError
from mien.evaluation.protocols import Answers, Row, all_rows, expression_confusion
from mien.images import decode
from mien.interfaces import Frame
from mien.pipeline import Analyzer


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one evaluation found.

    Attributes:
        model: Name of the model.
        sha256: Checksum of its ONNX file.
        dataset: Name of the data set.
        split: Which split.
        detector: Who found the faces.
        images: Images of the split.
        answered: Images with an answer.
        unreadable: Images that could not be decoded.
        rows: All metrics.
        confusion: Expression confusion matrix, rows are labels; empty without expressions.
    """

    model: str
    sha256: str
    dataset: str
    split: str
    detector: str
    images: int
    answered: int
    unreadable: int
    rows: tuple[Row, ...]
    confusion: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "dataset": self.dataset,
            "split": self.split,
            "detector": self.detector,
            "images": self.images,
            "answered": self.answered,
            "unreadable": self.unreadable,
            "rows": [
                {
                    "metric": row.metric,
                    "protocol": row.protocol,
                    "value": row.estimate.value,
                    "low": None if isnan(row.estimate.low) else row.estimate.low,
                    "high": None if isnan(row.estimate.high) else row.estimate.high,
                    "n": row.estimate.n,
                }
                for row in self.rows
            ],
            "confusion": [list(row) for row in self.confusion],
        }


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


def evaluate(
    analyzer: Analyzer,
    dataset: Dataset,
    *,
    split: str = "test",
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Measure everything that the labels of a data set allow.

    Args:
        analyzer: Built with ``faces="largest"`` and a detector that fits the data set: ``crop``
            for sets of face crops.
        dataset: Labelled images.
        split: ``"train"``, ``"val"`` or ``"test"``.
        progress: Called with images done and in total.

    Raises:
        InputError: The split is empty, or not a single face got an answer.
    """
    records = [record for record in dataset.records() if record.split == split]
    if not records:
        raise InputError(f"{dataset.name}: the split {split!r} is empty")
    labelled: list[Record] = []
    faces = []
    unreadable = 0
    items: Iterator[_Item] = (_Item(dataset, record.name) for record in records)
    results = analyzer.run(items, keep_images=False)
    for done, (record, (_, result)) in enumerate(zip(records, results, strict=True), start=1):
        unreadable += result.error is not None
        if result.faces and result.faces[0].skipped is None:
            labelled.append(record)
            faces.append(result.faces[0])
        if progress is not None:
            progress(done, len(records))
    if not faces:
        raise InputError(f"{dataset.name}: no face in any image of {split!r} got an answer")
    answers = Answers(labelled, faces, f"{dataset.name} {split}")
    confusion = expression_confusion(answers)
    return Report(
        model=analyzer.model.spec.name,
        sha256=analyzer.model.sha256,
        dataset=dataset.name,
        split=split,
        detector=analyzer.config.detector,
        images=len(records),
        answered=len(faces),
        unreadable=unreadable,
        rows=tuple(all_rows(answers)),
        confusion=tuple(map(tuple, confusion.tolist())) if confusion.sum() else (),
    )
