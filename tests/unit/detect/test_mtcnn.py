import sys
from importlib.machinery import ModuleSpec

import cv2
import numpy as np
import pytest

from mien.detect import DetectorSettings, Mtcnn, create_detector, mtcnn_networks
from mien.detect.mtcnn import (
    _face_probability,
    _levels,
    _moved_edges,
    _proposals,
    _squares,
    _to_chip,
    _without_nested,
)
from mien.detect.mtcnn_networks import PNET, RNET, build_graph, read_weights, to_kernel
from mien.errors import ChecksumError, MissingExtraError, ModelError
from mien.geometry import apply_transform


def needs_extra():
    pytest.importorskip("onnx", reason="the extra 'mtcnn' is not installed")
    if mtcnn_networks.find_spec("mtcnn") is None:
        pytest.skip("the extra 'mtcnn' is not installed")


@pytest.fixture(scope="module")
def mtcnn():
    needs_extra()
    return Mtcnn(DetectorSettings(min_score=0.8, threads=1))


class TestCascade:
    def test_landmarks_lie_on_the_face(self, mtcnn, photo):
        [face] = mtcnn.detect([photo])[0]
        assert face.score > 0.95
        points = np.array(face.landmarks)
        assert points[:2] == pytest.approx(np.array([[202, 104], [244, 104]]), abs=6)
        right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
        assert right_eye.x < nose.x < left_eye.x
        assert right_mouth.x < left_mouth.x
        assert left_eye.y < nose.y < left_mouth.y

    def test_agrees_with_yunet(self, mtcnn, photo):
        yunet = create_detector("yunet", threads=1)
        for image in (photo, np.ascontiguousarray(photo[:, ::-1])):
            one, other = (np.array(d.detect([image])[0][0].landmarks) for d in (mtcnn, yunet))
            away = np.linalg.norm(one - other, axis=1)
            assert away.mean() < 0.15 * np.linalg.norm(other[0] - other[1])

    def test_min_score_is_respected(self, mtcnn, photo):
        assert Mtcnn(DetectorSettings(min_score=1.0, threads=1)).detect([photo]) == [[]]

    def test_a_tight_48_px_chip(self, mtcnn, photo):
        chip = cv2.resize(photo[63:174, 174:274], (48, 48), interpolation=cv2.INTER_AREA)
        [face] = mtcnn.detect([chip])[0]
        assert 0 < face.landmarks.right_eye.x < face.landmarks.left_eye.x < 48

    def test_a_portrait_of_4000_px(self, mtcnn, photo):
        portrait = cv2.resize(photo[10:230, 114:334], (4000, 4000))
        [face] = mtcnn.detect([portrait])[0]
        assert face.box.width == pytest.approx(90 * 4000 / 220, rel=0.15)

    def test_small_faces_of_a_large_photo_are_found_at_twice_the_size(self, mtcnn, photo):
        # 30 px in 1280: 15 px at the first look, where 20 is the least.
        image = np.full((960, 1280, 3), 120, np.uint8)
        image[400:571, 500:671] = cv2.resize(photo, (171, 171), interpolation=cv2.INTER_AREA)
        [face] = mtcnn.detect([image])[0]
        assert face.box.width == pytest.approx(30, rel=0.25)

    def test_does_not_import_the_package(self, mtcnn):
        assert "mtcnn" not in sys.modules
        assert "tensorflow" not in sys.modules


class TestSteps:
    def test_levels_halve_the_area_down_to_one_cell(self):
        sizes = list(_levels((100, 200), 0.5))
        assert sizes[0] == (50, 100)
        assert all(min(size) >= 12 for size in sizes)
        assert min(sizes[-1]) * 0.709 < 12.5
        assert [sizes[k][0] / sizes[k + 1][0] for k in range(2)] == pytest.approx([1.41] * 2, 0.03)
        assert list(_levels((11, 500), 1.0)) == []

    def test_face_probability_is_a_softmax(self):
        logits = np.array([[0.0, 0.0], [0.0, np.log(3)], [500.0, -500.0]])
        assert _face_probability(logits) == pytest.approx([0.5, 0.75, 0.0])

    def test_a_proposal_by_hand(self):
        # Row 3, column 2: the cell from (5, 7) to (16, 18), its right edge moved by 0.5 * 11.
        maps = np.zeros((6, 5, 5))
        maps[4] = 9.0
        maps[4:, 3, 2] = 0.0, 9.0
        maps[2, 3, 2] = 0.5
        boxes, scores = _proposals(maps)
        assert boxes == pytest.approx(np.array([[5.0, 7.0, 21.5, 18.0]]))
        assert scores == pytest.approx([0.99988], abs=1e-4)

    def test_squares_keep_the_centre(self):
        boxes = np.array([[0.0, 0.0, 4.0, 10.0], [3.0, 3.0, 3.0, 3.0]])
        assert _squares(boxes) == pytest.approx(
            np.array([[-3.0, 0.0, 7.0, 10.0], [2.5, 2.5, 3.5, 3.5]])
        )

    def test_edges_move_by_fractions_of_the_size(self):
        moved = _moved_edges(np.array([[0.0, 0, 10, 20]]), np.array([[0.1, 0.1, -0.1, 0.5]]))
        assert moved == pytest.approx(np.array([[1.0, 2.0, 9.0, 30.0]]))

    def test_a_box_goes_onto_its_chip(self):
        matrix = _to_chip(np.array([10.0, 20.0, 58.0, 68.0]), 24)
        corners = apply_transform(matrix, np.array([[10.0, 20.0], [58.0, 68.0]]))
        assert corners == pytest.approx(np.array([[0.0, 0.0], [24.0, 24.0]]))

    def test_a_face_inside_a_stronger_one_goes(self):
        boxes = np.array([[0.0, 0, 10, 10], [2, 2, 6, 6], [8, 8, 18, 18]])
        assert _without_nested(boxes, np.array([0.9, 0.8, 0.95])) == [2, 0]
        assert _without_nested(boxes, np.array([0.9, 0.99, 0.95])) == [1, 2]
        assert _without_nested(np.zeros((0, 4)), np.zeros(0)) == []


class TestWeights:
    def test_without_the_package_the_message_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr(mtcnn_networks, "find_spec", lambda name: None)
        with pytest.raises(
            MissingExtraError, match=r"mtcnn detector .* pip install 'mien\[mtcnn\]'"
        ):
            create_detector("mtcnn")

    def test_a_blocked_package_counts_as_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "mtcnn", None)
        with pytest.raises(MissingExtraError):
            read_weights(PNET)

    @pytest.mark.parametrize("library", ["joblib", "onnx"])
    def test_without_a_library_too(self, monkeypatch, library):
        needs_extra()
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(MissingExtraError, match=r"'mien\[mtcnn\]'"):
            create_detector("mtcnn")

    def test_other_weights_are_refused_before_they_are_unpickled(self, monkeypatch, tmp_path):
        folder = tmp_path / "assets" / "weights"
        folder.mkdir(parents=True)
        (folder / "pnet.lz4").write_bytes(b"something else")
        package = ModuleSpec("mtcnn", None, is_package=True)
        package.submodule_search_locations = [str(tmp_path)]
        monkeypatch.setattr(mtcnn_networks, "find_spec", lambda name: package)
        with pytest.raises(ChecksumError, match=r"pnet\.lz4: SHA-256 is .*, expected ea6b0c3e"):
            read_weights(PNET)
        with pytest.raises(ModelError, match=r"rnet\.lz4"):
            read_weights(RNET)

    def test_arrays_that_do_not_fit_are_refused(self):
        pytest.importorskip("onnx", reason="the extra 'mtcnn' is not installed")
        with pytest.raises(ModelError, match=r"pnet\.lz4: holds 2 arrays"):
            build_graph(PNET, [np.zeros(1, np.float32)] * 2)

    def test_a_dense_layer_becomes_a_convolution_over_swapped_axes(self):
        rng = np.random.default_rng(1)
        features = rng.normal(size=(3, 3, 5)).astype(np.float32)  # height, width, channels
        dense = rng.normal(size=(45, 7)).astype(np.float32)
        expected = features.transpose(1, 0, 2).ravel() @ dense
        kernel = to_kernel(dense, 3)
        assert kernel.shape == (7, 5, 3, 3)
        found = np.einsum("oihw,hwi->o", kernel, features)
        assert found == pytest.approx(expected, rel=1e-4)

    def test_a_convolution_only_changes_the_order_of_axes(self):
        weight = np.arange(2 * 2 * 3 * 4, dtype=np.float32).reshape(2, 2, 3, 4)
        kernel = to_kernel(weight, 2)
        assert kernel.shape == (4, 3, 2, 2)
        assert kernel[1, 2, 0, 1] == weight[0, 1, 2, 1]
