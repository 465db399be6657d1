"""Pictures on disk: names, formats, and what is never overwritten."""

import cv2
import numpy as np
import pytest

from mien.errors import ConfigError, OutputError
from mien.interfaces import Frame
from mien.results import Box, Distribution, Face, FrameResult
from mien.sinks import IMAGE_ENDINGS, ImageSink, blur_faces, draw_faces
from mien.sinks.pictures import encode, picture_name, with_room

FACE = Face(box=Box(100, 80, 160, 150), score=0.9, gender=Distribution(("female", "male"), (1, 0)))


def picture(width=320, height=280):
    rows = np.linspace(0, 255, height)[:, None, None]
    columns = np.linspace(0, 255, width)[None, :, None]
    return np.clip(rows * (1, 0, 0) + columns * (0, 1, 0), 0, 255).astype(np.uint8)


def write(sink, source, image=None, **changes):
    image = picture() if image is None else image
    sink.write(
        Frame(source=source, image=image), FrameResult(source=source, faces=(FACE,), **changes)
    )


def read(path):
    return cv2.cvtColor(cv2.imdecode(np.fromfile(path, np.uint8), 1), cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize("ending", IMAGE_ENDINGS)
def test_every_format_keeps_size_and_colours(tmp_path, ending):
    path = tmp_path / f"Zażółć 写真{ending}"
    with ImageSink(path, draw=True) as sink:
        write(sink, "a.jpg")
    expected = draw_faces(picture(), FrameResult(source="a.jpg", faces=(FACE,)))
    found = read(path)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 2
    assert list(tmp_path.iterdir()) == [path]


def test_blurred_first_and_drawn_on_top(tmp_path):
    with ImageSink(tmp_path / "a.png", draw=True, blur=True) as sink:
        write(sink, "a.jpg")
    result = FrameResult(source="a.jpg", faces=(FACE,))
    assert (read(tmp_path / "a.png") == draw_faces(blur_faces(picture(), result), result)).all()


def test_only_blurred(tmp_path):
    with ImageSink(tmp_path / "a.png", blur=True) as sink:
        write(sink, "a.jpg")
    result = FrameResult(source="a.jpg", faces=(FACE,))
    assert (read(tmp_path / "a.png") == blur_faces(picture(), result)).all()


def test_a_folder_is_made_and_takes_the_names_of_the_sources(tmp_path):
    with ImageSink(tmp_path / "new" / "out", draw=True) as sink:
        for source in ("x/a.jpg", "y/a.jpg", "y/A.JPG", "b.png", "c.heic"):
            write(sink, source)
    names = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert names == ["A-3.JPG", "a-2.jpg", "a.jpg", "b.png", "c.jpg"]


def test_a_second_run_replaces_the_pictures_of_the_first(tmp_path):
    for _ in range(2):
        with ImageSink(tmp_path, draw=True) as sink:
            write(sink, "x/a.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_source_is_never_replaced(tmp_path, is_folder):
    source = tmp_path / "a.png"
    source.write_bytes(b"precious")
    sink = ImageSink(tmp_path if is_folder else source, draw=True)
    with pytest.raises(OutputError, match=r"a\.png: is the source itself"):
        write(sink, str(source))
    assert source.read_bytes() == b"precious"


def test_a_single_file_takes_a_single_picture(tmp_path):
    with ImageSink(tmp_path / "out.png", draw=True) as sink:
        write(sink, "a.jpg")
        with pytest.raises(OutputError, match=r"holds one picture, and b\.jpg is a second one"):
            write(sink, "b.jpg")


def test_an_unreadable_image_has_no_picture(tmp_path):
    with ImageSink(tmp_path / "out", draw=True) as sink:
        sink.write(Frame(source="a.jpg", error="empty"), FrameResult(source="a.jpg", error="empty"))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_image_without_faces_is_written_too(tmp_path):
    with ImageSink(tmp_path / "out", blur=True) as sink:
        sink.write(Frame(source="a.png", image=picture()), FrameResult(source="a.png"))
    assert (read(tmp_path / "out" / "a.png") == picture()).all()


def test_a_folder_may_have_a_dot_in_its_name(tmp_path):
    (tmp_path / "run.2024").mkdir()
    with ImageSink(tmp_path / "run.2024", draw=True) as sink:
        write(sink, "a.png")
    assert [path.name for path in (tmp_path / "run.2024").iterdir()] == ["a.png"]


def test_an_unknown_ending_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"ending '\.gif'\. Known: \.jpg, .*or name a folder"):
        ImageSink(tmp_path / "a.gif", draw=True)


def test_a_missing_folder_is_found_before_any_work(tmp_path):
    with pytest.raises(OutputError, match=r"no/a\.png: the folder '.*no' does not exist"):
        ImageSink(tmp_path / "no" / "a.png", draw=True)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file without an image ending"):
        ImageSink(tmp_path / "out", draw=True)


def test_a_copy_is_not_wanted(tmp_path):
    with pytest.raises(ConfigError, match="draw, blur or both"):
        ImageSink(tmp_path)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("/x/y.z/b.PNG", "b.PNG"),
        ("C:\\x\\c.tif", "c.tif"),
        ("https://example.org/p/d.webp?size=3#top", "d.webp"),
        ("https://example.org/", "image.jpg"),
        ("-", "stdin.jpg"),
        ("array", "array.jpg"),
        ("e.gif", "e.jpg"),
        ("f.tar.jpeg", "f.tar.jpeg"),
        ('what? "that"\n.png', "what_ _that__.png"),
        ("..", "image.jpg"),
        ("", "image.jpg"),
        ("g" * 300 + ".jpg", "g" * 60 + ".jpg"),
    ],
)
def test_names_come_from_the_sources(source, name):
    assert picture_name(FrameResult(source=source)) == name


def test_frames_of_a_video_are_numbered():
    assert picture_name(FrameResult(source="clip.mp4", index=12)) == "clip-000012.jpg"
    assert picture_name(FrameResult(source="clip.mp4", time_s=0.0)) == "clip-000000.jpg"


def test_small_pictures_are_enlarged_for_labels():
    image = picture(48, 40)
    face = Face(box=Box(1.0, 2.0, 40.0, 38.5), score=0.9)
    larger, result = with_room(image, FrameResult(source="a", faces=(face,)))
    assert larger.shape == (240, 288, 3)  # six times: 48 px become 256 or more
    assert result.faces[0].box == (6.0, 12.0, 240.0, 231.0)


def test_larger_pictures_stay_as_they_are():
    image, result = picture(256, 40), FrameResult(source="a")
    assert with_room(image, result) == (image, result)


def test_a_picture_beyond_the_format_is_one_clear_error(tmp_path):
    wide = np.zeros((1, 70_000, 3), np.uint8)
    with pytest.raises(OutputError, match=r"70000 x 1 px cannot be written as \.webp\. Choose"):
        encode(wide, tmp_path / "a.webp")


def test_jpeg_is_of_good_quality_and_small(tmp_path):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (200, 200, 3), np.uint8), (0, 0), 3)
    data = encode(image, tmp_path / "a.jpg")
    decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
    error = np.mean((decoded.astype(float) - image) ** 2)
    assert 10 * np.log10(255**2 / error) > 35
    assert len(data) < image.nbytes / 5
