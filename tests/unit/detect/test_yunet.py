from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from mien.detect import DetectorSettings, YuNet
from mien.detect.second_look import leans, turn_of
from mien.detect.yunet import TILE_OVERLAP_PX, TILE_PX, _tile_starts
from mien.detect.yunet_network import STRIDES, decode
from mien.geometry import box_iou
from mien.interfaces import Detection
from mien.results import Box, Landmarks

FACE = Box(179, 63, 269, 174)
"""The astronaut's face in the photo of 512x512."""

EYES = np.array([[202.0, 104.0], [244.0, 104.0]])


@pytest.fixture(scope="module")
def yunet():
    return YuNet(DetectorSettings(min_score=0.6, threads=1))


@pytest.fixture(scope="module")
def plain():
    """Without second looks and further searches."""
    settings = DetectorSettings(min_score=0.6, threads=1)
    return YuNet(settings, second_look=False, retry_long_side=0)


@pytest.fixture(scope="module")
def face(photo):
    """The face with some surroundings, 180x180."""
    return np.ascontiguousarray(photo[30:210, 134:314])


def iou(one, other):
    return float(box_iou(np.array([one]), np.array([other]))[0, 0])


def pasted(face, width, shape, centre):
    """A grey image with the face, its box `width` px wide, around `centre`."""
    scale = width / FACE.width
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=method)
    image = np.full((*shape, 3), 120, np.uint8)
    left, top = centre[0] - small.shape[1] // 2, centre[1] - small.shape[0] // 2
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    return image


def covers(box, point):
    return box.left < point[0] < box.right and box.top < point[1] < box.bottom


def empty_maps():
    """Output of the network for 64x64 px without any face."""
    return [np.full((16, 64 // s, 64 // s), -30, np.float32) for s in STRIDES]


class TestDecode:
    def test_one_cell_by_hand(self):
        # Stride 16, row 1, column 2. Offset (0.5, 0.25): centre (40, 20). Size 16 * exp(0) = 16.
        # Logits of 0 give a score of sqrt(0.5 * 0.5) = 0.5. Landmarks at cell + 1 in x: 48, 16.
        maps = empty_maps()
        maps[1][:, 1, 2] = [0, 0, 0.5, 0.25, 0, 0, *[1, 0] * 5]
        [found] = decode(maps, 0.4)
        assert found.box == pytest.approx((32, 12, 48, 28))
        assert found.score == pytest.approx(0.5)
        assert np.array(found.landmarks) == pytest.approx(np.array([[48.0, 16.0]] * 5))

    def test_weak_cells_are_left_out(self):
        maps = empty_maps()
        maps[1][:, 1, 2] = [0, 0, *[0] * 14]
        assert decode(maps, 0.51) == []

    def test_neighbours_vote(self):
        # Two cells see the same face, one 2 px further right; both score 0.5: the mean is 1 px.
        maps = empty_maps()
        maps[1][:, 1, 1] = [0, 0, 0.5, 0.5, 0.7, 0.7, *[0.5] * 10]
        maps[1][:, 1, 2] = [0, 0, -0.5 + 2 / 16, 0.5, 0.7, 0.7, *[-0.5 + 2 / 16, 0.5] * 5]
        [found] = decode(maps, 0.4)
        assert (found.box.left + found.box.right) / 2 == pytest.approx(25)
        assert found.landmarks.nose == pytest.approx((25, 24))

    def test_two_faces_stay_two(self):
        maps = empty_maps()
        maps[1][:, 0, 0] = [0, 0, *[0] * 14]
        maps[1][:, 3, 3] = [1, 1, *[0] * 14]
        strong, weak = decode(maps, 0.4)
        assert strong.score > weak.score
        assert strong.box == pytest.approx((40, 40, 56, 56))


class TestPhoto:
    def test_box_and_landmarks(self, yunet, photo):
        [found] = yunet.detect([photo])[0]
        assert iou(found.box, FACE) > 0.9
        assert found.score > 0.9
        assert np.array(found.landmarks)[:2] == pytest.approx(EYES, abs=5)
        right_eye, left_eye, nose, right_mouth, left_mouth = found.landmarks
        assert right_eye.x < nose.x < left_eye.x
        assert right_mouth.x < left_mouth.x
        assert max(right_eye.y, left_eye.y) < nose.y < min(right_mouth.y, left_mouth.y)

    def test_grey_looking_image(self, yunet, photo):
        grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
        [found] = yunet.detect([grey])[0]
        assert iou(found.box, FACE) > 0.85

    def test_many_sizes_in_one_call_as_one_by_one(self, yunet, photo):
        images = [
            photo,
            np.full((1, 1, 3), 50, np.uint8),
            cv2.resize(photo, (300, 400)),
            np.zeros((40, 700, 3), np.uint8),
            cv2.resize(photo, (1000, 900)),
            photo,
        ]
        together = yunet.detect(images)
        assert [len(faces) for faces in together] == [1, 0, 1, 0, 1, 1]
        for image, faces in zip(images, together, strict=True):
            alone = yunet.detect([image])[0]
            boxes = np.array([face.box for face in alone])
            assert np.array([face.box for face in faces]) == pytest.approx(boxes, abs=0.01)

    def test_several_threads_at_once(self, yunet, photo):
        turned = np.ascontiguousarray(np.rot90(photo))
        expected = [yunet.detect([image])[0] for image in (photo, turned)]
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda k: (k % 2, yunet.detect([(photo, turned)[k % 2]])[0]), range(8))
            for which, faces in found:
                assert faces == expected[which]


class TestTurned:
    @pytest.mark.parametrize("quarters", [0, 1, 2, 3])
    def test_landmarks_turn_with_the_image(self, yunet, photo, quarters):
        [upright] = yunet.detect([photo])[0]
        [found] = yunet.detect([np.ascontiguousarray(np.rot90(photo, quarters))])[0]
        points = np.array(upright.landmarks) - 256
        for _ in range(quarters):  # counter-clockwise: (x, y) goes to (y, -x)
            points = np.stack([points[:, 1], -points[:, 0]], axis=1)
        away = np.linalg.norm(np.array(found.landmarks) - points - 256, axis=1)
        assert away.mean() < 0.15 * 42  # of the eye distance
        assert found.score > 0.85

    @pytest.mark.parametrize("angle", [-60, -30, 15, 45, 120])
    def test_any_angle(self, yunet, face, angle):
        matrix = cv2.getRotationMatrix2D((90, 90), angle, 1.0)
        image = np.full((300, 300, 3), 90, np.uint8)
        image[60:240, 60:240] = cv2.warpAffine(face, matrix, (180, 180), borderValue=(90, 90, 90))
        [found] = yunet.detect([image])[0]
        # OpenCV turns counter-clockwise, we count clockwise.
        off = np.rad2deg(turn_of(found.landmarks)) + angle
        assert abs((off + 180) % 360 - 180) < 10

    def test_without_second_look_the_landmarks_lean_to_upright(self, plain, yunet, face):
        matrix = cv2.getRotationMatrix2D((90, 90), -30, 1.0)
        image = cv2.warpAffine(face, matrix, (180, 180), borderMode=cv2.BORDER_REPLICATE)
        turns = [
            np.rad2deg(turn_of(detector.detect([image])[0][0].landmarks))
            for detector in (plain, yunet)
        ]
        assert abs(turns[1] - 30) < abs(turns[0] - 30)

    def test_turn_of_by_hand(self):
        upright = np.array([[-1.0, -1.0], [1.0, -1.0], [0.0, 0.0], [-1.0, 1.0], [1.0, 1.0]])
        assert turn_of(Landmarks(*upright)) == pytest.approx(0)
        clockwise = np.stack([-upright[:, 1], upright[:, 0]], axis=1)  # (0, -1) goes to (1, 0)
        assert turn_of(Landmarks(*clockwise)) == pytest.approx(np.pi / 2)
        assert abs(turn_of(Landmarks(*-upright))) == pytest.approx(np.pi)
        assert leans(Detection(box=FACE, score=1.0, landmarks=Landmarks(*clockwise)))
        assert not leans(Detection(box=FACE, score=1.0, landmarks=Landmarks(*upright)))
        assert not leans(Detection(box=FACE, score=1.0))


class TestSizes:
    def test_a_small_face_in_a_photo(self, yunet, face):
        image = pasted(face, 24, (480, 640), (400, 300))
        [found] = yunet.detect([image])[0]
        assert covers(found.box, (400, 300))
        assert found.box.width == pytest.approx(24, rel=0.3)

    def test_a_portrait_of_4000_px(self, yunet, face):
        image = cv2.resize(face, (4000, 4000), interpolation=cv2.INTER_CUBIC)
        [found] = yunet.detect([image])[0]
        assert iou(found.box, (np.array(FACE) - [134, 30, 134, 30]) * 4000 / 180) > 0.7

    def test_a_tight_48_px_chip(self, yunet, photo):
        chip = cv2.resize(photo[63:174, 174:274], (48, 48), interpolation=cv2.INTER_AREA)
        [found] = yunet.detect([chip])[0]
        assert covers(found.box, (24, 24))

    def test_a_crowd_of_small_faces_in_a_large_photo(self, yunet, face):
        image = np.full((2400, 3200, 3), 120, np.uint8)
        centres = [(x, y) for x in (400, 1200, 2000, 2800) for y in (400, 1200, 2000)]
        for x, y in centres:
            image[y - 80 : y + 80, x - 80 : x + 80] = pasted(face, 36, (160, 160), (80, 80))
        faces = yunet.detect([image])[0]
        assert len(faces) == len(centres)
        assert all(any(covers(f.box, centre) for f in faces) for centre in centres)

    def test_a_face_cut_by_the_border_keeps_its_full_box(self, yunet, photo):
        cut = np.ascontiguousarray(photo[:, 205:])  # a quarter of the face is gone
        [found] = yunet.detect([cut])[0]
        assert found.box.left < 0
        assert iou(found.box, np.array(FACE) - [205, 0, 205, 0]) > 0.6

    def test_a_narrow_strip_is_not_shrunk_away(self, yunet, face):
        image = pasted(face, 60, (130, 4000), (3000, 65))
        [found] = yunet.detect([image])[0]
        assert covers(found.box, (3000, 65))

    @pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 3), (40, 5000), (5000, 40)])
    def test_odd_shapes_without_a_face(self, yunet, shape):
        assert yunet.detect([np.full((*shape, 3), 128, np.uint8)]) == [[]]

    @pytest.mark.parametrize("length", [1025, 1100, 2048, 3000, 4001])
    def test_tiles_cover_everything_and_overlap(self, length):
        starts = _tile_starts(length)
        assert starts[0] == 0
        assert starts[-1] + TILE_PX == length
        gaps = np.diff(starts)
        assert (gaps <= TILE_PX - TILE_OVERLAP_PX).all()
        assert (gaps > 0).all()


class TestSettings:
    def test_min_score_is_respected(self, photo):
        assert YuNet(DetectorSettings(min_score=0.99, threads=1)).detect([photo]) == [[]]

    def test_further_searches_can_be_switched_off(self, face):
        image = pasted(face, 14, (480, 640), (400, 300))
        settings = DetectorSettings(min_score=0.6, threads=1)
        assert YuNet(settings, retry_long_side=0, second_look=False).detect([image]) == [[]]
        assert len(YuNet(settings, retry_long_side=1600).detect([image])[0]) == 1
