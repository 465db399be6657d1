"""Find photos that stand in two splits: what a network was trained on must not test it.

Two looks at every pair. A perceptual hash of the aligned chip (Zauner, "Implementation and
Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1) finds candidates among
millions of pairs in seconds. Aligned faces are alike, so their hashes collide more often than
those of photos; the fine structure of both chips then decides. OpenCV's ``img_hash`` is not in
the headless build, and the packages that have the hash bring SciPy along for its few lines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mien.datasets import Record
from mien.datasets.summary import labels_agree
from mien.images import to_grey
from mien.interfaces import Image
from mien.sinks.files import write_whole

DISTANCE = 10
"""Hashes of candidates differ in at most this many of their 64 bits."""

CORRELATION = 0.7
"""Copies have at least this correlation of their fine structure.

Seen on montages of pairs of FER+, UTKFace and FairFace with a distance of up to 10: from 0.7 on
all were the same photo, cut, scaled, coloured or marked in another way; just below, different
faces mix in.
"""

SMALL_CORRELATION = 0.75
"""The same for chips smaller than `FINE_PX`, which have less structure to differ in."""

HASH_BITS = 64
HASH_PX, FINE_PX = 32, 64
BLUR_PX = 2.0
"""Standard deviation of what is taken away before chips of `FINE_PX` are compared: shading."""

SHIFT_PX = 4
"""Chips are compared at every shift up to this: landmarks jitter with cut and compression."""

PAIRS_AT_ONCE = 1 << 24
"""Bounds the memory of the search to some hundred megabytes."""

DUPLICATES_FILE = "duplicates.csv"
COLUMNS = ("name_a", "split_a", "name_b", "split_b", "distance", "correlation", "labels_agree")

KEPT_FIRST = ("test", "val", "train")
"""Of two copies the one in the earlier split is kept: published test splits stay whole."""

Integers: TypeAlias = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One photo in two splits.

    Attributes:
        kept: Row of the copy that stays when copies are dropped; in the split that tests.
        copy: Row of the other one.
        distance: Differing bits of the hashes, of 64.
        correlation: Of the fine structure at the best shift, up to 1.
    """

    kept: int
    copy: int
    distance: int
    correlation: float


def find_duplicates(
    chips: npt.NDArray[np.uint8],
    splits: Sequence[str],
    usable: npt.NDArray[np.bool_],
    *,
    distance: int = DISTANCE,
    threads: int = 1,
    progress: Progress | None = None,
) -> list[Duplicate]:
    """Find chips that show the same photo in different splits.

    Args:
        chips: ``uint8``, shape ``(n, size, size, 1 or 3)``; may be mapped from disk.
        splits: Split of every chip.
        usable: Which chips count, shape ``(n,)``.
        distance: Largest number of differing bits of a candidate.
        threads: Chips looked at side by side.
        progress: Called with chips searched and in total.

    Returns:
        Pairs, ordered by row of the kept copy, then of the other.
    """
    least = least_correlation(chips.shape[1])
    rank = np.array([_rank(split) for split in splits])
    rows = np.flatnonzero(usable)
    found: list[Duplicate] = []
    with ThreadPoolExecutor(threads) as pool:
        bits = list(pool.map(lambda row: hash_bits(chips[row]), rows))
        signs = np.array(bits, np.float32).reshape(-1, HASH_BITS) * 2 - 1
        for done, kept, copies, apart in _candidates(signs, rank[rows], distance):

            def compare(kept: int, copy: int) -> float:
                return fine_correlation(chips[rows[kept]], chips[rows[copy]])

            likeness = pool.map(compare, kept, copies)
            for one, other, bits_apart, alike in zip(kept, copies, apart, likeness, strict=True):
                if alike >= least:
                    found.append(
                        Duplicate(int(rows[one]), int(rows[other]), int(bits_apart), alike)
                    )
            if progress is not None:
                progress(done, len(rows))
    return sorted(found, key=lambda pair: (pair.kept, pair.copy))


def least_correlation(size: int) -> float:
    """What the fine structure of copies has in common at least, for chips of `size` pixels."""
    return CORRELATION if size >= FINE_PX else SMALL_CORRELATION


def hash_bits(chip: Image) -> npt.NDArray[np.bool_]:
    """Perceptual hash of one chip: which of its 8x8 lowest frequencies lie above their median.

    Args:
        chip: ``uint8``, shape ``(size, size, 1 or 3)``.

    Returns:
        Shape ``(64,)``.
    """
    low = cv2.dct(_small(chip, HASH_PX))[:8, :8]
    return np.asarray(low > np.median(low)).ravel()


def fine_correlation(one: Image, other: Image) -> float:
    """Correlation of the fine structure of two chips at the best shift, -1 to 1.

    Shading and the common shape of all faces are taken away first; without structure it is 0.
    """
    detail = [_detail(chip) for chip in (one, other)]
    if min(float(part.std()) for part in detail) < 1e-3:
        return 0.0
    middle = np.ascontiguousarray(detail[0][SHIFT_PX:-SHIFT_PX, SHIFT_PX:-SHIFT_PX])
    scores = cv2.matchTemplate(detail[1], middle, cv2.TM_CCOEFF_NORMED)
    return float(np.nan_to_num(scores, posinf=0.0, neginf=0.0).max())


def copies_to_drop(pairs: Sequence[Duplicate]) -> set[int]:
    """Rows that must go so that no photo is in two splits."""
    return {pair.copy for pair in pairs}


def write_duplicates(folder: Path, pairs: Sequence[Duplicate], records: Sequence[Record]) -> None:
    """Write ``duplicates.csv``, one row a pair, the kept copy first.

    Raises:
        OutputError: It cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for pair in pairs:
        kept, copy = records[pair.kept], records[pair.copy]
        agree = labels_agree(kept, copy)
        writer.writerow(
            [
                *(kept.name, kept.split, copy.name, copy.split),
                *(pair.distance, f"{pair.correlation:.3f}"),
                "" if agree is None else ("yes" if agree else "no"),
            ]
        )
    write_whole(folder / DUPLICATES_FILE, text.getvalue().encode())


def _rank(split: str) -> int:
    return KEPT_FIRST.index(split) if split in KEPT_FIRST else len(KEPT_FIRST)


def _candidates(
    signs: npt.NDArray[np.float32], rank: Integers, distance: int
) -> Iterator[tuple[int, Integers, Integers, Integers]]:
    """Pairs of close hashes whose first chip has the lower rank.

    Bits as -1 and 1 make the number of differing bits a matrix product: (64 - product) / 2.

    Yields:
        Chips done; then first row, second row and differing bits of every candidate.
    """
    # Never the largest split against itself: its chips are only looked up.
    queries = np.flatnonzero(rank < rank.max(initial=0))
    block = max(1, PAIRS_AT_ONCE // max(1, len(signs)))
    for start in range(0, len(queries), block):
        part = queries[start : start + block]
        product = signs[part] @ signs.T
        near = product >= HASH_BITS - 2 * distance
        near &= rank[part][:, None] < rank[None]
        first, second = np.nonzero(near)
        apart = ((HASH_BITS - product[first, second]) / 2).astype(np.int64)
        yield len(signs) * (start + len(part)) // len(queries), part[first], second, apart


def _small(chip: Image, size: int) -> npt.NDArray[np.float32]:
    grey = to_grey(np.asarray(chip))[..., 0]
    shrinks = grey.shape[0] > size
    small = cv2.resize(
        grey, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return np.asarray(small, np.float32)


def _detail(chip: Image) -> npt.NDArray[np.float32]:
    small = _small(chip, FINE_PX)
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), BLUR_PX), np.float32)
