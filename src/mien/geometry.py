"""Boxes, points and the similarity transform, in NumPy and nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mien.errors import InputError

FloatArray = npt.NDArray[np.floating]


def similarity_transform(source: FloatArray, target: FloatArray) -> npt.NDArray[np.float64]:
    """Find the rotation, uniform scale and shift that best map `source` onto `target`.

    "Best" means least squares over all points. Reflections are excluded, so a face is
    never mirrored.

    Args:
        source: Points to move, shape ``(n, 2)``, as ``(x, y)`` in pixels, ``n >= 2``.
        target: Where they should land, same shape and unit.

    Returns:
        Matrix of shape ``(2, 3)``: multiply it with ``(x, y, 1)``.

    Raises:
        InputError: The shapes differ or are not ``(n, 2)``, a coordinate is NaN or infinite, or
            all points of `source` coincide, so that no scale exists.

    References:
        Umeyama, "Least-squares estimation of transformation parameters between two point
        patterns", IEEE TPAMI 13(4), 1991, equations 38 to 43.
    """
    if source.shape != target.shape or source.shape[1:] != (2,) or len(source) < 2:
        raise InputError(
            "source and target must both be (n, 2) with at least two points, "
            f"got {source.shape} and {target.shape}"
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("a point is not a finite number")
    centre_s, centre_t = source.mean(axis=0), target.mean(axis=0)
    s, t = source - centre_s, target - centre_t
    variance = float((s**2).sum() / len(s))
    if variance < 1e-12:
        raise InputError("all source points coincide: the scale is undefined")

    u, singular, vt = np.linalg.svd(t.T @ s / len(s))
    # Without this a mirrored face would be "best" mapped by a mirror image.
    signs = np.array([1.0, 1.0 if np.linalg.det(u @ vt) >= 0 else -1.0])
    rotation = u @ np.diag(signs) @ vt
    scale = float((singular * signs).sum()) / variance
    shift = centre_t - scale * rotation @ centre_s
    return np.hstack([scale * rotation, shift[:, None]])


def apply_transform(matrix: FloatArray, points: FloatArray) -> npt.NDArray[np.float64]:
    """Apply a ``(2, 3)`` matrix to points of shape ``(n, 2)``."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def invert_transform(matrix: FloatArray) -> npt.NDArray[np.float64]:
    """Invert a ``(2, 3)`` affine matrix.

    Raises:
        InputError: The matrix maps the plane onto a line or a point.
    """
    linear = np.asarray(matrix[:, :2], np.float64)
    if abs(float(np.linalg.det(linear))) < 1e-12:
        raise InputError("the transform cannot be inverted: it has no area")
    inverse = np.linalg.inv(linear)
    return np.hstack([inverse, -(inverse @ matrix[:, 2:])])


def box_iou(boxes: FloatArray, others: FloatArray) -> npt.NDArray[np.float64]:
    """Intersection over union of every pair.

    Args:
        boxes: Shape ``(n, 4)`` as left, top, right, bottom.
        others: Shape ``(m, 4)``.

    Returns:
        Shape ``(n, m)``, 0 to 1; 0 where both boxes are empty.
    """
    a, b = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=2)
    area_a = np.clip(a[:, 2:] - a[:, :2], 0, None).prod(axis=1)
    area_b = np.clip(b[:, 2:] - b[:, :2], 0, None).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - overlap
    iou: npt.NDArray[np.float64] = np.zeros_like(overlap)
    np.divide(overlap, union, out=iou, where=union > 0)
    return iou


def non_maximum_suppression(
    boxes: FloatArray, scores: FloatArray, max_iou: float
) -> npt.NDArray[np.intp]:
    """Keep the strongest of every bunch of overlapping boxes.

    Args:
        boxes: Shape ``(n, 4)`` as left, top, right, bottom.
        scores: Shape ``(n,)``.
        max_iou: A box that overlaps a stronger kept one by more than this goes.

    Returns:
        Indices of the kept boxes, strongest first.
    """
    order = np.argsort(-scores, kind="stable")
    keep: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        keep.append(int(best))
        if len(order):
            order = order[box_iou(boxes[best][None], boxes[order])[0] <= max_iou]
    return np.array(keep, dtype=np.intp)
