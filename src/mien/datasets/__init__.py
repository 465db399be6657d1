"""Labelled faces as records: one reader a data set, no torch."""

from mien.datasets.adience import Adience
from mien.datasets.appa_real import AppaReal
from mien.datasets.facial_age import FacialAge
from mien.datasets.fairface import FairFace
from mien.datasets.fer2013 import Fer2013
from mien.datasets.fer2013_folders import Fer2013Folders
from mien.datasets.ferplus import FerPlus
from mien.datasets.ferplus_votes import (
    FILTERS,
    ferplus_target,
    majority,
    soft_target,
    without_single_votes,
)
from mien.datasets.files import FileTree
from mien.datasets.folder import Folder
from mien.datasets.imdb_wiki import Imdb, Wiki
from mien.datasets.records import (
    EMOTIONS,
    GENDERS,
    SPLITS,
    Dataset,
    Record,
    datasets,
    open_dataset,
)
from mien.datasets.table import CsvTable
from mien.datasets.utkface import UtkFace

__all__ = [
    "EMOTIONS",
    "FILTERS",
    "GENDERS",
    "SPLITS",
    "Adience",
    "AppaReal",
    "CsvTable",
    "Dataset",
    "FacialAge",
    "FairFace",
    "Fer2013",
    "Fer2013Folders",
    "FerPlus",
    "FileTree",
    "Folder",
    "Imdb",
    "Record",
    "UtkFace",
    "Wiki",
    "datasets",
    "ferplus_target",
    "majority",
    "open_dataset",
    "soft_target",
    "without_single_votes",
]
