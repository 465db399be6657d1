"""Worse pictures: exact sizes, landmarks that move with the pixels, real blur, a real codec."""

import cv2
import numpy as np
import pytest

from mien.align import AlignSpec, align_faces, landmark_points
from mien.errors import InputError, UnknownModelError
from mien.evaluation.degrade import kinds, parse_kinds
from mien.evaluation.worse import blur, compress, dark_glasses, darken, mask, shrink
from mien.interfaces import Detection
from mien.results import Box, Landmarks, Point

MARKS = Landmarks(Point(60, 70), Point(110, 70), Point(85, 95), Point(65, 120), Point(105, 120))
FACE = Detection(box=Box(30.5, 20.0, 161.87, 190.0), score=0.9, landmarks=MARKS)


def ramp(width, height):
    """Red is the column and green the row, so that a pixel says where it came from."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return image


def noise(size=200):
    return np.random.default_rng(3).integers(0, 256, (size, size, 3), np.uint8)


def detail(image):
    """Strength of the finest structure."""
    return float(cv2.Laplacian(image.astype(np.float32), cv2.CV_32F).var())


# --- size -------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", kinds["size"].levels)
def test_the_face_box_has_exactly_the_width(width):
    image, face = shrink(noise(), FACE, width)
    assert face.box.width == pytest.approx(width, abs=1e-9)
    factor = width / 131.37
    assert face.box.height == pytest.approx(170 * factor)
    # Pixel centres sit at +0.5, and alignment counts from the centre of the first pixel.
    assert face.landmarks.nose == pytest.approx((85.5 * factor - 0.5, 95.5 * factor - 0.5))
    assert face.landmarks.left_mouth == pytest.approx((105.5 * factor - 0.5, 120.5 * factor - 0.5))
    assert image.shape == (round(200 * factor), round(200 * factor), 3)
    assert face.score == FACE.score


@pytest.mark.parametrize("width", kinds["size"].levels)
def test_pixels_move_as_landmarks_do(width):
    """A column of the small image is the mean of the columns that its landmarks would cover."""
    image, face = shrink(ramp(200, 180), FACE, width)
    factor = face.box.width / FACE.box.width
    places = (np.arange(image.shape[1] - 1) + 0.5) / factor - 0.5
    assert image[0, :-1, 0] == pytest.approx(places, abs=0.7)  # whole grey levels
    places = (np.arange(image.shape[0] - 1) + 0.5) / factor - 0.5
    assert image[:-1, 0, 1] == pytest.approx(places, abs=0.7)


def test_shrinking_averages_areas():
    """No pixel is skipped: black and white columns become grey, not one of the two."""
    stripes = np.zeros((80, 80, 3), np.uint8)
    stripes[:, ::2] = 255
    face = Detection(box=Box(0.0, 0.0, 80.0, 80.0), score=1.0)
    small, _ = shrink(stripes, face, 20)
    assert small.shape == (20, 20, 3)
    assert np.abs(small.astype(int) - 127.5).max() <= 1


def test_a_face_without_landmarks():
    _, face = shrink(noise(), Detection(box=FACE.box, score=1.0), 24)
    assert face.landmarks is None


def test_nothing_is_enlarged():
    with pytest.raises(InputError, match=r"a face of 131\.4 px cannot be shrunk to 132 px"):
        shrink(noise(), FACE, 132)
    fits = kinds["size"].fits
    assert fits(FACE, 131)
    assert not fits(FACE, 132)


def test_the_chip_shows_the_same_face(photo):
    """Alignment finds the same part of the picture, only with less detail."""
    marks = Landmarks(
        Point(201, 117), Point(249, 115), Point(226, 146), Point(207, 165), Point(246, 163)
    )
    face = Detection(box=Box(175.0, 65.0, 275.0, 195.0), score=1.0, landmarks=marks)
    spec = AlignSpec(size=112)
    [sharp] = align_faces(photo, [face], spec)
    small, moved = shrink(photo, face, 48)
    [coarse] = align_faces(small, [moved], spec)
    close = cv2.GaussianBlur(sharp, (0, 0), 1.2)
    middle = slice(12, -12)
    errors = [
        np.abs(coarse[middle, 12 + shift : 100 + shift].astype(int) - close[middle, middle]).mean()
        for shift in (-1, 0, 1)
    ]
    # One pixel of the chip to either side is equally wrong: it is not even half a pixel off.
    assert errors[1] < 2 < 6 < errors[0] == pytest.approx(errors[2], rel=0.05)
    assert detail(coarse) < 0.5 * detail(sharp)


# --- blur and JPEG ----------------------------------------------------------------------------


def test_blur_takes_fine_structure_step_by_step():
    images = [noise(), *(blur(noise(), FACE, share)[0] for share in kinds["blur"].levels)]
    contrasts = [float(image.std()) for image in images]
    assert contrasts == sorted(contrasts, reverse=True)
    assert all(detail(image) < 0.01 * detail(noise()) for image in images[1:])
    image, face = blur(noise(), FACE, 0.01)
    assert image.shape == noise().shape
    assert face == FACE


def test_blur_is_measured_in_widths_of_the_face():
    """A point becomes a bell whose standard deviation is the share of the box."""
    image = np.zeros((201, 201, 3), np.uint8)
    image[90:111, 90:111] = 255
    face = Detection(box=Box(0.0, 0.0, 200.0, 200.0), score=1.0)
    row = blur(image, face, 0.04)[0][:, :, 0].astype(float).sum(0)
    places = np.arange(201) - 100
    variance = (row * places**2).sum() / row.sum()
    box = (21**2 - 1) / 12
    assert np.sqrt(variance - box) == pytest.approx(8, rel=0.05)


def test_jpeg_goes_through_the_codec():
    """The same pixels as OpenCV's encoder and the decoder of Pillow; worse at lower quality."""
    import io

    from PIL import Image

    image = cv2.GaussianBlur(noise(), (0, 0), 2)
    errors = []
    for quality in kinds["jpeg"].levels:
        found, face = compress(image, FACE, quality)
        assert face == FACE
        flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
        data = cv2.imencode(".jpg", image[..., ::-1], flags)[1].tobytes()
        assert data.startswith(b"\xff\xd8")
        assert (found == np.array(Image.open(io.BytesIO(data)).convert("RGB"))).all()
        errors.append(np.abs(found.astype(int) - image).mean())
    assert errors == sorted(errors)
    assert errors[0] > 0
    assert errors[-1] > 3 * errors[0]


def test_colours_stay_where_they_are():
    """Red stays red: OpenCV's encoder wants the channels the other way round."""
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    face = Detection(box=Box(0.0, 0.0, 64.0, 64.0), score=1.0)
    for image, _ in (compress(red, face, 95), blur(red, face, 0.05), shrink(red, face, 32)):
        assert np.abs(image[..., 0].astype(int) - 200).max() <= 3
        assert image[..., 1:].max() <= 3


def test_an_image_that_jpeg_cannot_hold():
    with pytest.raises(InputError, match="an image of 70000 x 1 px cannot be written as JPEG"):
        compress(np.zeros((1, 70_000, 3), np.uint8), FACE, 50)


# --- darkness ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stops", [0, 1, 3])
def test_a_stop_halves_the_light(stops):
    """sRGB by hand: 188 stands for half of the light of white."""
    flat = np.full((200, 200, 3), 188, np.uint8)
    image, face = darken(flat, FACE, stops)
    light = ((image / 255 + 0.055) / 1.055) ** 2.4
    assert light.mean() == pytest.approx(0.5 / 2**stops, rel=0.01)
    # 2,000 electrons a pixel at first; their number varies by its root, and reading adds 3.
    electrons = 2000 / 2**stops
    assert light.std() / light.mean() == pytest.approx(np.sqrt(electrons + 9) / electrons, rel=0.05)
    assert face == FACE


def test_the_grain_is_the_same_in_every_run_and_another_in_every_pixel():
    flat = np.full((50, 50, 3), 60, np.uint8)
    image, _ = darken(flat, FACE, 4)
    assert (image == darken(flat, FACE, 4)[0]).all()
    rows = image.reshape(50, -1).astype(float)
    assert np.abs(np.corrcoef(rows)[np.triu_indices(50, 1)]).mean() < 0.1


def test_black_and_white_stay_in_range():
    steps = np.repeat(np.array([[0, 255]], np.uint8), 100, 0)[..., None].repeat(3, 2)
    image, _ = darken(steps, FACE, 0)
    assert image[:, 0].max() <= 10  # what reading adds to no light at all
    assert image[:, 1].min() >= 245


# --- hidden parts -----------------------------------------------------------------------------


@pytest.mark.parametrize("share", kinds["mask"].levels)
def test_a_mask_hides_the_face_from_below(share):
    image, face = mask(noise(), FACE, share)
    assert face == FACE
    top = round(190 - share * 170)
    hidden = image[top:, 30:162]  # the box ends at 190, and a chin lies up to 17 px below it
    assert (hidden == hidden[0, 0]).all()
    assert hidden[0, 0].min() > 180
    assert (image[:top] == noise()[:top]).all()
    assert (image[:, :30] == noise()[:, :30]).all()
    assert (image[:, 162:] == noise()[:, 162:]).all()


def test_a_mask_hides_first_the_mouth_and_then_the_nose():
    """Where YuNet's boxes have them on average."""
    face = Detection(box=FACE.box, score=1.0)
    points = landmark_points(face).round().astype(int)
    colours = []
    for share in (0.2, 0.4, 0.5):
        image, _ = mask(noise(), face, share)
        colours.append([image[y, x].tolist() == [198, 214, 222] for x, y in points])
    no, yes = [False], [True]  # eyes, nose, mouth
    assert colours == [5 * no, 3 * no + 2 * yes, 2 * no + 3 * yes]


@pytest.mark.parametrize("face", [FACE, Detection(box=FACE.box, score=1.0)], ids=["marks", "box"])
def test_dark_glasses_hide_the_eyes_and_nothing_else(face):
    image, found = dark_glasses(noise(), face, 0.2)
    assert found == face
    eyes = 70 if face.landmarks else 20 + 0.37 * 170
    band = slice(round(eyes - 17), round(eyes + 17))
    assert image[band, 30:162].max() <= 24
    outside = np.ones(image.shape[:2], bool)
    outside[band, 30:162] = False
    assert (image[outside] == noise()[outside]).all()


def test_what_hides_a_face_ends_with_the_picture():
    face = Detection(box=Box(-20.0, -30.0, 300.0, 250.0), score=1.0)
    image, _ = mask(noise(), face, 0.5)
    assert (image[110:] == image[110, 0]).all()
    assert (image[:110] == noise()[:110]).all()


@pytest.mark.parametrize("apply", [blur, compress, darken, mask, dark_glasses])
def test_the_given_picture_is_not_changed(apply):
    image = noise()
    image.setflags(write=False)
    assert (apply(image, FACE, 1)[0] != image).any()
    assert (image == noise()).all()


# --- names ------------------------------------------------------------------------------------


def test_names():
    assert [kind.name for kind in parse_kinds("jpeg, size,jpeg")] == ["jpeg", "size"]
    assert list(kinds) == ["blur", "dark", "glasses", "jpeg", "mask", "size"]
    with pytest.raises(UnknownModelError) as caught:
        parse_kinds("size,blurr")
    assert str(caught.value) == (
        "no way to degrade pictures is called 'blurr'. Did you mean 'blur'? "
        "Known: blur, dark, glasses, jpeg, mask, size."
    )


@pytest.mark.parametrize("name", list(kinds))
def test_every_kind_goes_from_good_to_bad(name):
    kind = kinds[name]
    assert kind.name == name
    step = np.diff(kind.levels)
    assert (step > 0).all() or (step < 0).all()
    texts = {kind.describe(level) for level in (None, *kind.levels)}
    assert len(texts) == len(kind.levels) + 1
