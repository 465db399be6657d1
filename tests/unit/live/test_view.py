"""What the window shows, read back from its pixels."""

import numpy as np
import pytest

from mien.live.layout import Layout, fitted
from mien.live.meters import Reading
from mien.live.panels import KEYS, State, _figures
from mien.live.sheet import GROUND, INK, MUTED, SOFT, Sheet, first_fitting, wide
from mien.live.view import View, scaled
from mien.sinks.blur import hidden_region
from mien.sinks.colours import EXPRESSIONS
from mien.sinks.layout import Rect

SIZES = [(1, 1), (5, 400), (400, 30), (200, 120), (640, 480), (1280, 720)]
READING = Reading(30, 29, 28, 0.031, 0.044)


def part(canvas, rect):
    return canvas[rect.top : rect.bottom, rect.left : rect.right].astype(int)


def pixels_of(picture, colour):
    return int((picture == np.array(colour)).all(axis=-1).sum())


def shown(make_shot, *faces, seconds=4.0, size=(1280, 720), **options):
    view = View()
    for step in range(round(20 * seconds)):
        view.take(make_shot(*faces, time_s=step / 20), step / 20)
    return view, view.draw(size, State(reading=READING), **options).copy()


@pytest.mark.parametrize("size", SIZES)
def test_the_canvas_has_the_size_of_the_window(make_shot, make_face, size):
    _, canvas = shown(make_shot, make_face(1, happiness=0.8), size=size, help_wanted=True)
    assert canvas.shape == (size[1], size[0], 3)
    assert canvas.dtype == np.uint8


def test_before_the_first_frame_it_says_what_it_waits_for():
    view = View()
    one = view.draw((640, 480), State(), waiting="opening 0 ...").copy()
    other = view.draw((640, 480), State(), waiting="").copy()
    room = Layout.of((640, 480)).picture
    assert pixels_of(part(other, room), SOFT) == part(other, room)[..., 0].size
    assert pixels_of(part(one, room), SOFT) < part(one, room)[..., 0].size


def test_the_picture_keeps_its_pixels_where_nothing_is_drawn(make_shot):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (180, 320, 3), np.uint8)
    view = View()
    view.take(make_shot(image=image), 0.0)
    canvas = view.draw((1280, 720), State())
    place = fitted(Layout.of((1280, 720)).picture, (320, 180))
    expected, _ = scaled(image, make_shot(image=image).result, place.right - place.left)
    found = part(canvas, place)
    assert np.array_equal(found, expected.astype(int))


def test_bars_are_as_long_as_shares(make_shot, make_face):
    lengths = []
    for share in (0.2, 0.4, 0.8):
        _, canvas = shown(make_shot, make_face(1, happiness=share))
        people = part(canvas, Layout.of((1280, 720)).people)
        yellow = (people == np.array(EXPRESSIONS["happiness"])).all(axis=-1)
        lengths.append(int(yellow.sum(axis=1).max()))
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=4)
    assert lengths[2] == pytest.approx(4 * lengths[0], abs=8)


def test_the_timeline_shows_shares_as_heights_and_absence_as_nothing(make_shot, make_face):
    view = View()
    for step in range(200):  # ten seconds: away in the middle, then another expression
        now_s = step / 20
        shares = {"happiness": 0.5, "anger": 0.4} if now_s < 4 else {"surprise": 0.9}
        faces = [] if 4 <= now_s < 6 else [make_face(1, **shares)]
        view.take(make_shot(*faces), now_s)
    size = (1280, 720)
    canvas = view.draw(size, State())
    room = Layout.of(size).timeline

    def column(ago_s):
        left = room.left + round(2.6 * Layout.of(size).unit)
        x = round(room.right - ago_s / 20 * (room.right - left))
        return part(canvas, Rect(x, room.top, x + 1, room.bottom))

    happy, angry = (pixels_of(column(8), EXPRESSIONS[name]) for name in ("happiness", "anger"))
    assert happy / angry == pytest.approx(5 / 4, rel=0.1)
    height = pixels_of(column(1), EXPRESSIONS["surprise"]) / 0.9
    assert happy == pytest.approx(0.5 * height, abs=3)
    assert all(pixels_of(column(5), colour) == 0 for colour in EXPRESSIONS.values())
    assert all(pixels_of(column(15), colour) == 0 for colour in EXPRESSIONS.values())


def test_blur_hides_the_face_but_not_its_answers(make_shot, make_face):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (180, 320, 3), np.uint8)
    somebody = make_face(1, left=140.0, width=40.0, happiness=0.8)
    view = View()
    view.take(make_shot(somebody, image=image), 0.0)
    size = (1280, 720)
    sharp = view.draw(size, State()).copy()
    hidden = view.draw(size, State(is_blurred=True)).copy()
    place = fitted(Layout.of(size).picture, (320, 180))
    times = (place.right - place.left) / 320
    left, top, right, bottom = (round(times * side) for side in somebody.box)
    inside = Rect(
        place.left + left + 8, place.top + top + 8, place.left + right - 8, place.top + bottom - 8
    )
    assert part(sharp, inside).std(axis=(0, 1)).min() > 40
    assert part(hidden, inside).std(axis=(0, 1)).max() < 12
    assert hidden_region(somebody.box).width > somebody.box.width
    people = Layout.of(size).people
    assert np.array_equal(part(sharp, people), part(hidden, people))


def test_mirroring_a_paused_picture_moves_the_box(make_shot, make_face):
    view = View()
    view.take(make_shot(make_face(1, left=10.0, happiness=0.8)), 0.0)
    view.mirror()
    assert view.shot.result.faces[0].box.right == 310


def test_flags_appear_in_the_status_line(make_shot):
    view, plain = shown(make_shot)
    state = State(is_paused=True, is_blurred=True, is_mirrored=True, recording_s=61)
    status = Layout.of((1280, 720)).status
    changed = view.draw((1280, 720), state)
    assert not np.array_equal(part(plain, status), part(changed, status))
    assert pixels_of(part(plain, status), (190, 30, 45)) == 0
    assert pixels_of(part(changed, status), (190, 30, 45)) > 100


def test_figures_give_way_where_there_is_no_room():
    options = _figures(READING)
    assert options[0] == (
        "capture 30 · inference 29 · screen 28 fps   delay 31 ms, 95 % below 44 ms   H help"
    )
    assert [wide(text, 12) for text in options] == sorted(
        (wide(text, 12) for text in options), reverse=True
    )
    assert _figures(Reading()) == ["H help"] * 4
    assert first_fitting(options, 12, 5) == ""


def test_help_names_every_key(make_shot):
    _, plain = shown(make_shot)
    _, helped = shown(make_shot, help_wanted=True)
    room = Layout.of((1280, 720)).picture
    assert pixels_of(part(helped, room), GROUND) > 20_000
    assert not np.array_equal(part(plain, room), part(helped, room))
    assert [key for key, _ in KEYS] == ["SPACE", "S", "R", "B", "M", "F", "H", "Q"]


def test_somebody_without_answers_is_named_with_the_reason(make_shot, make_face):
    _, nobody = shown(make_shot)
    _, somebody = shown(make_shot, make_face(1, skipped="face narrower than 24 px"))
    people = Layout.of((1280, 720)).people
    assert not np.array_equal(part(nobody, people), part(somebody, people))


def luminance(colour):
    parts = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("ink", [INK, MUTED])
@pytest.mark.parametrize("ground", [GROUND, SOFT])
def test_text_has_contrast(ink, ground):
    """4.5 is what WCAG 2.2 asks for (1.4.3)."""
    light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("at", [(-30, 5), (95, 5), (50, -3), (50, 44), (500, 500)])
def test_text_outside_the_canvas_is_cut_off(at):
    sheet = Sheet()
    sheet.clear((100, 40))
    sheet.text(at, "happiness", 12)
    assert sheet.canvas.shape == (40, 100, 3)


def test_what_does_not_fit_is_shortened():
    text = first_fitting(["a long reason why there is nothing"], 12, 100)
    assert text.endswith("...")
    assert wide(text, 12) <= 100
    assert text.startswith("a long")
