"""Geometry: values worked out by hand, and laws that hold for any points and boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.errors import InputError
from mien.geometry import (
    apply_transform,
    box_iou,
    invert_transform,
    non_maximum_suppression,
    similarity_transform,
)

TRIANGLE = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]])

coordinates = st.floats(-1000, 1000, allow_subnormal=False)
points = st.integers(3, 8).flatmap(lambda n: arrays(float, (n, 2), elements=coordinates))


def spread(cloud):
    """Root mean square distance from the centre."""
    return float(np.sqrt(((cloud - cloud.mean(axis=0)) ** 2).sum(axis=1).mean()))


def rotation(angle_deg, scale=1.0, shift=(0.0, 0.0)):
    a = np.deg2rad(angle_deg)
    linear = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.hstack([linear, np.reshape(shift, (2, 1))])


transforms = st.builds(
    rotation, st.floats(-180, 180), st.floats(0.01, 100), st.tuples(coordinates, coordinates)
)


# --- similarity transform ---------------------------------------------------------------------


def test_quarter_turn_by_hand():
    # (1, 0) -> (0, 1) and (0, 1) -> (-1, 0): a quarter turn, no scale, no shift.
    matrix = similarity_transform(
        np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [-1.0, 0.0]])
    )
    assert matrix == pytest.approx(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]), abs=1e-12)


def test_scale_and_shift_by_hand():
    matrix = similarity_transform(TRIANGLE, 3 * TRIANGLE + [7, -2])
    assert matrix == pytest.approx(np.array([[3.0, 0.0, 7.0], [0.0, 3.0, -2.0]]), abs=1e-12)


@given(points.filter(lambda cloud: spread(cloud) > 1), transforms)
def test_recovers_a_known_transform(source, truth):
    matrix = similarity_transform(source, apply_transform(truth, source))
    scale = np.hypot(*truth[:, 0])
    assert matrix[:, :2] == pytest.approx(truth[:, :2], abs=1e-6 * scale)
    assert apply_transform(matrix, source) == pytest.approx(
        apply_transform(truth, source), abs=1e-6 * (1 + scale * 1000)
    )


@given(points.filter(lambda cloud: spread(cloud) > 1), st.data())
def test_never_mirrors_nor_shears(source, data):
    target = data.draw(arrays(float, source.shape, elements=coordinates))
    linear = similarity_transform(source, target)[:, :2]
    a, b = linear[0, 0], linear[1, 0]
    assert linear == pytest.approx(np.array([[a, -b], [b, a]]), abs=1e-9 * (1 + abs(linear).max()))
    assert np.linalg.det(linear) >= 0


def test_a_mirrored_face_is_not_mirrored_back():
    linear = similarity_transform(TRIANGLE, TRIANGLE * [-1, 1])[:, :2]
    assert np.linalg.det(linear) > 0


@given(points.filter(lambda cloud: spread(cloud) > 1), transforms, st.data())
def test_no_other_similarity_fits_better(source, other, data):
    target = data.draw(arrays(float, source.shape, elements=coordinates))
    best = similarity_transform(source, target)

    def misfit(matrix):
        return float(((apply_transform(matrix, source) - target) ** 2).sum())

    assert misfit(best) <= misfit(other) * (1 + 1e-9) + 1e-6


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.zeros((5, 2)), np.zeros((4, 2))),
        (np.zeros((5, 3)), np.zeros((5, 3))),
        (np.zeros(2), np.zeros(2)),
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.zeros((1, 2)), np.zeros((1, 2))),
    ],
)
def test_wrong_shapes_are_named(source, target):
    with pytest.raises(InputError) as caught:
        similarity_transform(source, target)
    assert f"got {source.shape} and {target.shape}" in str(caught.value)


def test_coinciding_points_have_no_scale():
    with pytest.raises(InputError, match="scale is undefined"):
        similarity_transform(np.ones((5, 2)), np.zeros((5, 2)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_must_be_finite(bad):
    broken = TRIANGLE.copy()
    broken[1, 0] = bad
    for pair in [(broken, TRIANGLE), (TRIANGLE, broken)]:
        with pytest.raises(InputError, match="not a finite number"):
            similarity_transform(*pair)


# --- applying and inverting -------------------------------------------------------------------


def test_apply_by_hand():
    matrix = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, -1.0]])
    assert apply_transform(matrix, np.array([[1, 1], [0, 2]])).tolist() == [[3, 2], [1, 5]]


@given(transforms, points)
def test_the_inverse_takes_points_back(matrix, cloud):
    there = apply_transform(matrix, cloud)
    scale = np.hypot(*matrix[:, 0])
    assert apply_transform(invert_transform(matrix), there) == pytest.approx(
        cloud, abs=1e-8 * (1 + 1000 / scale)
    )


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]])])
def test_a_flat_transform_has_no_inverse(matrix):
    with pytest.raises(InputError, match="no area"):
        invert_transform(matrix)


# --- overlap ----------------------------------------------------------------------------------


def make_boxes(corners_and_sizes):
    values = np.array(corners_and_sizes, float).reshape(-1, 4)
    return np.hstack([values[:, :2], values[:, :2] + values[:, 2:]])


sizes = st.floats(0.5, 100)
one_box = st.tuples(st.floats(-100, 100), st.floats(-100, 100), sizes, sizes)
box_lists = st.lists(one_box, max_size=8).map(make_boxes)


def test_iou_by_hand():
    boxes = np.array([[0, 0, 4, 2]])
    others = np.array([[2, 0, 6, 2], [0, 0, 4, 2], [4, 0, 8, 2], [1, 0, 3, 1], [9, 9, 9, 9]])
    # Overlaps 4, 8, 0 (touching), 2 and 0; unions 12, 8, 16, 8 and 8.
    assert box_iou(boxes, others) == pytest.approx(np.array([[1 / 3, 1, 0, 0.25, 0]]))


def test_two_empty_boxes_do_not_divide_by_zero():
    assert box_iou(np.array([[3, 3, 3, 3]]), np.array([[3, 3, 3, 3]])).tolist() == [[0.0]]


def test_an_inside_out_box_overlaps_nothing():
    assert box_iou(np.array([[4, 4, 0, 0]]), np.array([[0, 0, 4, 4]])).tolist() == [[0.0]]


@given(box_lists, box_lists)
def test_iou_is_symmetric_and_within_0_and_1(boxes, others):
    iou = box_iou(boxes, others)
    assert iou.shape == (len(boxes), len(others))
    assert iou == pytest.approx(box_iou(others, boxes).T)
    assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()
    assert np.diag(box_iou(boxes, boxes)) == pytest.approx(np.ones(len(boxes)))


@given(box_lists, box_lists, st.floats(-50, 50), st.floats(0.5, 20))
def test_iou_does_not_see_shift_and_scale(boxes, others, shift, scale):
    moved = box_iou(boxes * scale + shift, others * scale + shift)
    assert moved == pytest.approx(box_iou(boxes, others), abs=1e-6)


# --- suppression ------------------------------------------------------------------------------


@st.composite
def scored_boxes(draw):
    boxes = draw(box_lists)
    scores = draw(arrays(float, len(boxes), elements=st.sampled_from([0.1, 0.5, 0.7, 0.9])))
    return boxes, scores


def test_suppression_by_hand():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [1, 0, 11, 10.0]])
    scores = np.array([0.6, 0.9, 0.7, 0.5])
    # 0 and 3 overlap 1 by 0.9 and 81/110; 2 stands alone.
    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == [1, 2]
    assert non_maximum_suppression(boxes, scores, 0.8).tolist() == [1, 2, 3]
    assert non_maximum_suppression(boxes, scores, 0.95).tolist() == [1, 2, 0, 3]


def test_equal_scores_keep_their_order():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [20, 0, 29, 9.0]])
    assert non_maximum_suppression(boxes, np.full(3, 0.5), 0.3).tolist() == [0, 2]


def test_overlap_at_the_limit_is_kept():
    boxes = np.array([[0, 0, 4, 2], [2, 0, 6, 2.0]])  # IoU is exactly 1/3
    assert len(non_maximum_suppression(boxes, np.array([0.9, 0.8]), 1 / 3)) == 2
    assert len(non_maximum_suppression(boxes, np.array([0.9, 0.8]), 0.33)) == 1


def test_nothing_in_nothing_out():
    kept = non_maximum_suppression(np.empty((0, 4)), np.empty(0), 0.5)
    assert kept.shape == (0,)
    assert np.issubdtype(kept.dtype, np.integer)


@given(scored_boxes(), st.floats(0, 1))
def test_what_suppression_promises(scored, max_iou):
    boxes, scores = scored
    kept = non_maximum_suppression(boxes, scores, max_iou)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(scores[kept]) <= 0).all()  # strongest first
    if len(boxes):
        assert kept[0] == np.argmax(scores)
    between = box_iou(boxes[kept], boxes[kept])
    assert (between[np.triu_indices(len(kept), 1)] <= max_iou).all()
    gone = np.setdiff1d(np.arange(len(boxes)), kept)
    for index in gone:  # every box that went had a kept one at least as strong on top of it
        rivals = kept[box_iou(boxes[index][None], boxes[kept])[0] > max_iou]
        assert (scores[rivals] >= scores[index]).any()
