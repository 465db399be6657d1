"""Labelled faces as records: one reader a data set, no torch."""

from mien.datasets.fairface import FairFace
from mien.datasets.ferplus import FerPlus, majority, soft_target, without_single_votes
from mien.datasets.files import FileTree
from mien.datasets.records import (
    EMOTIONS,
    GENDERS,
    SPLITS,
    Dataset,
    Record,
    datasets,
    open_dataset,
)
from mien.datasets.utkface import UtkFace

__all__ = [
    "EMOTIONS",
    "GENDERS",
    "SPLITS",
    "Dataset",
    "FairFace",
    "FerPlus",
    "FileTree",
    "Record",
    "UtkFace",
    "datasets",
    "majority",
    "open_dataset",
    "soft_target",
    "without_single_votes",
]
