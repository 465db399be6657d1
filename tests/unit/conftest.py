"""Packed chips with a rule that a tiny network learns in seconds."""

import json

import numpy as np
import pytest

from mien.align import AlignSpec
from mien.datasets import Record
from mien.training.packed import write_meta, write_records

ALIGN = AlignSpec(size=32, border=1 / 16)  # 36 px with the border
COUNTS = {"train": 64, "val": 32}
TABLES = ("input", "network", "train", "teacher", "augment")


def write_packed(folder, name, records, chips, align=ALIGN, found=None):
    """Write a folder as `mien prepare` leaves it."""
    folder.mkdir(parents=True)
    np.save(folder / "chips.npy", chips)
    found = np.ones(len(records), bool) if found is None else np.array(found)
    write_records(folder / "records.csv", records, found)
    meta = {
        "dataset": name,
        "total": len(records),
        "align": {"size": align.size, "template": align.template, "border": align.border},
        "channels": chips.shape[3],
    }
    write_meta(folder, {**meta, "complete": True})
    return folder


def bright_corners(seed, splits):
    """Grey noise; bit k of face n lights corner k up. Returns chips and bits ``(n, 3)``."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (len(splits), 3))
    chips = rng.integers(40, 100, (len(splits), 36, 36, 1), np.uint8)
    corners = [(slice(0, 18), slice(0, 18)), (slice(0, 18), slice(18, 36)), (slice(18, 36),) * 2]
    for chip, row in zip(chips, bits, strict=True):
        for corner, bit in zip(corners, row, strict=True):
            chip[corner] += np.uint8(120 * bit)
    return chips, bits


def ten_votes(winner, second):
    """Eight votes for one class and two for another, so that every class has some."""
    return tuple(8 * (k == winner) + 2 * (k == second) for k in range(10))


@pytest.fixture(scope="session")
def packed_faces(tmp_path_factory):
    """Two packed data sets: ``faces`` with votes, ``ages`` with age in years and gender."""
    root = tmp_path_factory.mktemp("packed")
    splits = [split for split, count in COUNTS.items() for _ in range(count)]
    chips, bits = bright_corners(1, splits)
    records = [
        Record(name=f"f{k}", split=split, votes=ten_votes(bits[k, 0], 2 + k % 6))
        for k, split in enumerate(splits)
    ]
    write_packed(root / "faces", "faces", records, chips)
    chips, bits = bright_corners(2, splits)
    records = [
        Record(
            name=f"a{k}",
            split=split,
            gender=("female", "male")[bits[k, 1]],
            age_years=(20.0, 60.0)[bits[k, 2]],
        )
        for k, split in enumerate(splits)
    ]
    write_packed(root / "ages", "ages", records, chips)
    return root


@pytest.fixture(scope="session")
def write_chips():
    """The function that writes a packed folder, see `write_packed`."""
    return write_packed


def table_for(packed_faces):
    strengths = ("rotate_deg", "scale", "shift", "brightness", "contrast", "noise")
    return {
        "name": "corners",
        "heads": ["age", "gender", "emotion"],
        "license": "MIT",
        "source": "bright corners",
        "input": {"size": 32, "colour": "grey", "mean": [0.5], "std": [0.25]},
        "network": {"widths": [8, 16], "blocks": [1, 1], "stem": 8, "dropout": 0.1},
        "data": [
            {"path": str(packed_faces / "faces"), "per_batch": 16, "mixup": 0.2},
            {"path": str(packed_faces / "ages"), "per_batch": 16},
        ],
        "train": {"steps": 8, "evaluate_every": 4, "ema": 0.9, "seed": 3},
        "augment": {
            **dict.fromkeys(strengths, 0.0),
            "flip": False,
            "low_resolution": 0.0,
            "erase": 0.0,
        },
    }


@pytest.fixture
def recipe_table(packed_faces):
    """A recipe for the two data sets as TOML would give it; a test may change it."""
    return table_for(packed_faces)


def toml_value(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def recipe_file(path, table):
    """Write a recipe as a person would; tables inside tables become inline ones."""
    lines = [f"{k} = {toml_value(v)}" for k, v in table.items() if k != "data" and k not in TABLES]
    for name in TABLES:
        if name in table:
            values = table[name]
            lines += [f"[{name}]", *(f"{k} = {toml_value(v)}" for k, v in values.items())]
    for part in table["data"]:
        lines += ["[[data]]", *(f"{k} = {toml_value(v)}" for k, v in part.items())]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="session")
def write_recipe():
    """The function that writes a recipe as TOML, see `recipe_file`."""
    return recipe_file


@pytest.fixture(scope="session")
def tiny_run(packed_faces, tmp_path_factory):
    """Folder of a finished run that has learned the rule."""
    from mien.training.loop import train
    from mien.training.recipe import Recipe

    table = table_for(packed_faces)
    table["train"] = {"steps": 40, "evaluate_every": 20, "ema": 0.9, "seed": 3}
    folder = tmp_path_factory.mktemp("run")
    train(Recipe.from_mapping(table), folder, threads=1)
    return folder


@pytest.fixture(scope="session")
def exported(tiny_run, tmp_path_factory):
    """The same network as a file of `mien export`."""
    from mien.training.export import export

    out = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    export(tiny_run, out)
    return out
