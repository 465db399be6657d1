"""The pipeline: order, batches, bounded memory, threads, and what it says when it cannot."""

import itertools
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

import mien
from mien.config import EMOTIONS, AnalyzeConfig
from mien.errors import ConfigError, InputError, ModelError, UnknownModelError
from mien.interfaces import Detection, Frame
from mien.models import load_manifest
from mien.pipeline import Analyzer
from mien.results import Box, Landmarks, Point


@pytest.fixture(scope="module")
def make(tiny_model):
    """Function that builds an analyzer of the untrained model; every image is a face."""

    def build(**settings):
        return Analyzer(**{"model": str(tiny_model), "detector": "whole", "threads": 1} | settings)

    return build


def picture(seed, size=64):
    """Noise that tells pictures and their faces apart."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


class Item:
    """One image that notes when it is read."""

    def __init__(self, name, image=None, error=None, seconds=0.0, log=None):
        self.frame = Frame(source=name, image=image, error=error)
        self.seconds = seconds
        self.log = log

    def load(self):
        time.sleep(self.seconds)
        if self.log is not None:
            self.log.append(self.frame.source)
        return self.frame


def items(count, log=None, **settings):
    return (Item(str(k), picture(k), log=log, **settings) for k in range(count))


@dataclass
class Recorder:
    """Stands before the model and notes the size of every batch."""

    model: object
    calls: list

    def __getattr__(self, name):
        return getattr(self.model, name)

    def predict(self, chips, heads=None):
        self.calls.append(len(chips))
        return self.model.predict(chips, heads)


def record_calls(analyzer):
    calls = []
    analyzer.model = Recorder(analyzer.model, calls)
    return calls


class Faces:
    """A detector that finds the same boxes in every image."""

    def __init__(self, *boxes, landmarks=None):
        self.found = [
            Detection(box=Box(*map(float, box)), score=0.5, landmarks=landmarks) for box in boxes
        ]

    def detect(self, images):
        return [list(self.found) for _ in images]


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("mien")]


# --- order and content --------------------------------------------------------------------------


def test_results_come_in_order_with_broken_images_in_between(make):
    """Every third image cannot be read, and some take longer than those after them."""

    def mixed():
        for k in range(60):
            if k % 3 == 1:
                yield Item(str(k), error=f"broken {k}")
            else:
                yield Item(str(k), picture(k), seconds=0.004 * (k % 5 == 0))

    found = list(make(threads=4, batch_size=7).run(mixed()))
    assert [result.source for _, result in found] == [str(k) for k in range(60)]
    for k, (frame, result) in enumerate(found):
        assert frame.source == result.source
        if k % 3 == 1:
            assert (result.error, result.faces) == (f"broken {k}", ())
            assert (result.width, result.height) == (0, 0)
        else:
            assert result.error is None
            assert (result.width, result.height) == (64, 64)
            assert len(result.faces) == 1


def test_every_image_gets_its_own_answer(make):
    """Batches mix the faces of several images; nobody may get the answer of a neighbour."""
    analyzer = make(batch_size=5)
    together = [result.faces[0] for _, result in analyzer.run(items(17))]
    for k, face in enumerate(together):
        [(_, alone)] = analyzer.run([Item("alone", picture(k))])
        assert face.age.years == pytest.approx(alone.faces[0].age.years, abs=1e-4)
        assert face.emotion.probabilities == pytest.approx(
            alone.faces[0].emotion.probabilities, abs=1e-5
        )
    assert len({round(face.age.years, 3) for face in together}) == 17


def test_a_face_is_answered_in_full(make):
    [result] = make().analyze(picture(1))
    [face] = result.faces
    assert 0 <= face.box.left < face.box.right <= 64
    assert face.age.low <= face.age.years <= face.age.high
    assert face.age.groups.labels == ("0-12", "13-25", "26-59", "60+")
    assert sum(face.age.distribution) == pytest.approx(1)
    assert face.gender.labels == ("female", "male")
    assert face.emotion.labels == EMOTIONS
    assert face.quality.size_px == min(face.box.width, face.box.height)
    assert face.quality.sharpness > 0
    assert face.skipped is None


def test_a_real_photo(make, photo_path):
    [result] = make(detector="yunet").analyze(photo_path)
    assert (result.width, result.height) == (512, 512)
    [face] = result.faces
    assert 150 < face.box.left < face.landmarks.nose.x < face.box.right < 350
    assert face.score > 0.8
    assert abs(face.quality.roll_deg) < 20
    assert face.age is not None


@pytest.mark.skipif("mien-m" not in load_manifest(), reason="the default model is not shipped")
def test_the_default_model_sees_a_smile(photo_path):
    [result] = mien.analyze(photo_path, threads=1)
    [face] = result.faces
    assert face.emotion.best == "happiness"
    assert 15 < face.age.years < 60


def test_frame_numbers_and_times_are_handed_on(make):
    item = Item("video", picture(0))
    item.frame = Frame(source="video", index=7, time_s=0.28, image=picture(0))
    [(_, result)] = make().run([item])
    assert (result.index, result.time_s) == (7, 0.28)


def test_faces_whose_place_is_known_are_not_searched(make):
    """Their answers are those that the detector's would have got, and no face is no face."""
    analyzer = make()
    image = picture(5)
    [known] = analyzer.detector.detect([image])
    [(_, found)] = analyzer.run([Item("a", image)])
    analyzer.detector = None
    item = Item("a")
    item.frame = Frame(source="a", image=image, detections=tuple(known))
    [(_, given)] = analyzer.run([item])
    assert given == found
    item.frame = Frame(source="a", image=image, detections=())
    [(_, given)] = analyzer.run([item])
    assert (given.faces, given.error) == ((), None)


def test_pictures_are_kept_only_when_asked_for(make):
    analyzer = make()
    [(kept, _)] = analyzer.run([Item("a", picture(3))])
    [(dropped, _)] = analyzer.run([Item("a", picture(3))], keep_images=False)
    assert (kept.image == picture(3)).all()
    assert dropped.image is None


def test_channel_order(make):
    analyzer = make()
    image = picture(4)
    [rgb] = analyzer.analyze(image)
    [bgr] = analyzer.analyze(image[..., ::-1], colour="BGR")
    [wrong] = analyzer.analyze(image[..., ::-1])
    assert rgb.faces == bgr.faces
    assert rgb.faces != wrong.faces


def test_no_images(make):
    assert make().analyze([]) == []
    assert list(make().run([])) == []


# --- which faces --------------------------------------------------------------------------------

SMALL, LARGE, MIDDLE = (2, 2, 32, 32), (0, 0, 60, 60), (10, 10, 50, 50)


def with_faces(analyzer, *boxes, **settings):
    analyzer.detector = Faces(*boxes, **settings)
    return analyzer


def test_the_largest_face_comes_first(make):
    [result] = with_faces(make(), SMALL, LARGE, MIDDLE).analyze(picture(0))
    assert [face.box for face in result.faces] == [LARGE, MIDDLE, SMALL]


def test_only_the_largest_face(make):
    calls = record_calls(analyzer := with_faces(make(faces="largest"), SMALL, LARGE, MIDDLE))
    [result] = analyzer.analyze(picture(0))
    assert [face.box for face in result.faces] == [LARGE]
    assert calls == [1]


def test_no_face_is_no_error(make):
    calls = record_calls(analyzer := with_faces(make()))
    [result] = analyzer.analyze(picture(0))
    assert (result.faces, result.error) == ((), None)
    assert calls == []


def test_small_faces_are_reported_and_not_answered(make):
    calls = record_calls(analyzer := with_faces(make(min_face_px=35), SMALL, LARGE, MIDDLE))
    [result] = analyzer.analyze(picture(0))
    assert [face.skipped for face in result.faces] == [None, None, "face narrower than 35 px"]
    assert [face.age is None for face in result.faces] == [False, False, True]
    small = result.faces[2]
    assert small.gender is small.emotion is None
    assert small.quality.size_px == 30
    assert calls == [2]


def test_the_models_own_smallest_face_counts_by_default(make):
    [result] = with_faces(make(), (0, 0, 23, 40), (0, 0, 24, 20)).analyze(picture(0))
    assert [face.skipped for face in result.faces] == ["face narrower than 24 px", None]


def smooth(size=64):
    """Light that grows evenly from left to right: a face without a single edge."""
    return np.repeat(np.tile(np.arange(size, dtype=np.uint8), (size, 1))[..., None], 3, axis=2)


def test_blurred_faces_are_reported_and_not_answered(make):
    calls = record_calls(analyzer := make(min_sharpness=20))
    sharp, blurred = analyzer.analyze([picture(0), smooth()])
    assert sharp.faces[0].skipped is None
    [face] = blurred.faces
    assert re.fullmatch(r"face too blurred \(sharpness [0-9.]+, at least 20\)", face.skipped)
    assert face.age is face.gender is face.emotion is None
    assert 0 <= face.quality.sharpness < 20 < sharp.faces[0].quality.sharpness
    assert sum(calls) == 1


def test_the_models_own_sharpness_counts_by_default(make, make_model, tmp_path):
    strict = str(make_model(tmp_path / "strict.onnx", min_sharpness=20))
    [result] = make(model=strict).analyze(smooth())
    assert result.faces[0].skipped.endswith("at least 20)")
    for settings in ({"model": strict, "min_sharpness": 0}, {}):  # switched off; a model without
        [result] = make(**settings).analyze(smooth())
        assert result.faces[0].skipped is None
        assert result.faces[0].age is not None


def test_sharpness_is_measured_once_a_face(make, monkeypatch):
    calls, measure = [], cv2.Laplacian
    monkeypatch.setattr(cv2, "Laplacian", lambda *a: calls.append(1) or measure(*a))
    analyzer = with_faces(make(min_sharpness=20, min_face_px=35), SMALL, LARGE, MIDDLE)
    assert len(analyzer.analyze(picture(0))[0].faces) == len(calls) == 3


def test_a_face_that_cannot_be_cut_says_why(make):
    one_point = Landmarks(*[Point(5.0, 5.0)] * 5)
    strict = make(min_sharpness=20)  # nothing was cut, so that nothing is blurred
    [result] = with_faces(strict, LARGE, landmarks=one_point).analyze(picture(0))
    [face] = result.faces
    assert "all source points coincide" in face.skipped
    assert face.age is None
    assert face.quality.sharpness == 0


# --- batches ------------------------------------------------------------------------------------


def test_faces_of_several_images_share_one_forward_pass(make):
    calls = record_calls(analyzer := make(batch_size=4))
    assert len(list(analyzer.run(items(10)))) == 10
    assert calls == [1, 4, 4, 1]  # the first answer does not wait


def test_many_faces_in_one_image_are_cut_into_batches(make):
    calls = record_calls(analyzer := with_faces(make(batch_size=4), *[LARGE] * 10))
    [result] = analyzer.analyze(picture(0))
    assert len(result.faces) == 10
    assert calls == [4, 4, 2]


def test_images_without_faces_do_not_wait_for_ever(make):
    analyzer = with_faces(make(batch_size=2))
    log = []
    results = analyzer.run(items(100, log))
    for _ in range(2):  # the first image, then the first group
        next(results)
    assert len(log) <= 1 + 4 * 2 + 3
    results.close()


def test_large_pictures_do_not_pile_up(make, monkeypatch):
    monkeypatch.setattr("mien.pipeline.analyzer.MAX_HELD_BYTES", 3 * picture(0).nbytes)
    calls = record_calls(analyzer := make(batch_size=100))
    list(analyzer.run(items(9)))
    assert calls == [1, 4, 4]  # more than three pictures are too many
    calls.clear()
    list(analyzer.run(items(9), keep_images=False))
    assert calls == [1, 8]


# --- how far it reads ahead ---------------------------------------------------------------------


@pytest.mark.parametrize(("threads", "batch_size"), [(1, 1), (2, 4), (4, 8)])
def test_only_a_few_images_are_read_ahead(make, threads, batch_size):
    log, ahead = [], []
    analyzer = make(threads=threads, batch_size=batch_size)
    for done, _ in enumerate(analyzer.run(items(80, log)), start=1):
        time.sleep(0.002)  # a slow reader
        ahead.append(len(log) - done)
    assert len(log) == 80
    assert max(ahead) <= (2 * threads + 1) + batch_size


def test_a_stream_reads_nothing_before_it_is_asked(make):
    log = []
    results = make().run(items(5, log))
    time.sleep(0.02)
    assert log == []
    next(results)
    assert log[0] == "0"
    results.close()


def test_an_endless_stream(make):
    endless = (Item(str(k), picture(k)) for k in itertools.count())
    results = make(batch_size=2).run(endless, keep_images=False)
    found = [result.source for _, result in itertools.islice(results, 25)]
    results.close()
    assert found == [str(k) for k in range(25)]


# --- stopping -----------------------------------------------------------------------------------


def test_closing_early_stops_the_workers(make):
    log = []
    results = make(threads=3).run(items(1000, log, seconds=0.001))
    next(results)
    assert workers()
    results.close()
    assert workers() == []
    read = len(log)
    time.sleep(0.02)
    assert len(log) == read < 30


def test_what_nobody_has_begun_is_not_read_after_closing(make):
    log = []
    results = make(threads=2).run(items(1000, log, seconds=0.2))
    next(results)
    results.close()  # two wait although they were handed over; at most three were begun beside "0"
    assert len(log) <= 4


def test_one_thread_reads_nothing_ahead_and_has_no_workers(make):
    log = []
    results = make(threads=1).run(items(1000, log))
    next(results)
    assert log == ["0"]
    assert workers() == []
    results.close()


def test_a_closed_stream_stops_the_workers(make, photo_path):
    analyzer = make(threads=2)
    results = analyzer.stream([photo_path] * 50)
    next(results)
    results.close()
    assert workers() == []


def test_ctrl_c_while_listing_stops_the_workers(make):
    def interrupted():
        yield from items(7)
        raise KeyboardInterrupt

    found = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(r.source for _, r in make(threads=2, batch_size=1).run(interrupted()))
    assert workers() == []
    assert found == [str(k) for k in range(len(found))]


def test_ctrl_c_in_the_loop_stops_the_workers(make):
    results = make(threads=2).run(items(1000))

    def consume():
        for _ in results:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    results.close()
    assert workers() == []


def test_a_broken_reader_is_not_swallowed(make):
    class Broken(Item):
        def load(self):
            raise RuntimeError("a fault of ours")

    mixed = [Item("0", picture(0)), Broken("1"), *items(20)]
    with pytest.raises(RuntimeError, match="a fault of ours"):
        list(make(threads=2).run(mixed))
    assert workers() == []


def test_a_broken_model_is_not_swallowed(make):
    analyzer = make()

    def fail(chips, heads=None):
        raise ModelError("tiny.onnx failed")

    analyzer.model = Recorder(analyzer.model, [])
    analyzer.model.predict = fail
    with pytest.raises(ModelError, match=r"tiny\.onnx failed"):
        analyzer.analyze(picture(0))


# --- several threads ----------------------------------------------------------------------------


def test_four_threads_share_one_analyzer(make, photo):
    """With a real detector: the same answers as alone, nothing mixed up."""
    analyzer = make(detector="yunet", batch_size=4)
    heads = [photo[10 + 3 * k : 300, 90 + 2 * k : 360] for k in range(6)]
    alone = [analyzer.analyze(heads[k:] + heads[:k]) for k in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda k: analyzer.analyze(heads[k:] + heads[:k]), range(4)))
    assert together == alone
    assert all(len(result.faces) == 1 for results in together for result in results)


def test_one_generator_a_thread(make):
    analyzer = make(threads=2, batch_size=3)
    expected = [result for _, result in analyzer.run(items(20))]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: [result for _, result in analyzer.run(items(20))], range(4))
    assert all(results == expected for results in found)


# --- settings -----------------------------------------------------------------------------------


def test_settings_come_from_a_config_and_single_ones_win(make, tiny_model):
    config = AnalyzeConfig(
        model=str(tiny_model), detector="whole", threads=1, batch_size=3, faces="largest"
    )
    assert Analyzer(config).config == config
    assert Analyzer(config, batch_size=9).config.batch_size == 9
    assert Analyzer(config, batch_size=9).config.faces == "largest"


@pytest.mark.parametrize("attributes", [("age",), ("gender", "emotion"), ("emotion",)])
def test_only_what_was_asked_for(make, attributes):
    [result] = make(attributes=attributes).analyze(picture(0))
    [face] = result.faces
    answered = {name for name in ("age", "gender", "emotion") if getattr(face, name) is not None}
    assert answered == set(attributes)
    assert face.skipped is None


def test_a_subset_of_the_expressions(make):
    everything = make().analyze(picture(0))[0].faces[0].emotion
    some = make(emotions=("sadness", "fear")).analyze(picture(0))[0].faces[0].emotion
    assert some.labels == ("sadness", "fear")
    total = everything["sadness"] + everything["fear"]
    assert some["sadness"] == pytest.approx(everything["sadness"] / total)


def test_other_age_groups(make):
    groups = make(age_groups="0-17,18+").analyze(picture(0))[0].faces[0].age.groups
    assert groups.labels == ("0-17", "18+")
    assert sum(groups.probabilities) == pytest.approx(1)


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"treads": 2}, ConfigError, "no setting 'treads'. Did you mean 'threads'?"),
        ({"batch_size": 0}, ConfigError, "batch_size must be at least 1"),
        ({"attributes": ("age", "race")}, ConfigError, "no attribute is called 'race'"),
        (
            {"emotions": ("neutral", "hapiness")},
            ConfigError,
            "no expression 'hapiness'. Did you mean 'happiness'?",
        ),
        ({"detector": "yuent"}, UnknownModelError, "Did you mean 'yunet'?"),
        ({"model": "mien-xxl"}, UnknownModelError, "no model is called 'mien-xxl'"),
        ({"model": "missing.onnx"}, ModelError, "missing.onnx: no such model file"),
        ({"device": "abacus"}, ModelError, "device 'abacus' is not available"),
    ],
    ids=str,
)
def test_wrong_settings_are_noticed_at_once(make, setting, error, message):
    with pytest.raises(error) as caught:
        make(**setting)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_expressions_do_not_matter_when_nobody_asks(make):
    make(emotions=("neutral", "hapiness"), attributes=("age",))


def test_a_model_without_the_head_says_what_it_knows(make_model, make, tmp_path):
    heads = {"gender": {"decoder": "softmax", "labels": ["female", "male"]}}
    path = str(make_model(tmp_path / "half.onnx", heads))
    with pytest.raises(InputError, match=r"'tiny' does not answer 'age'\. It knows: gender\."):
        make(model=path, attributes=("age",))
    [result] = make(model=path, attributes=("gender",)).analyze(picture(0))
    assert result.faces[0].gender is not None


def test_all_attributes_means_all_that_the_model_answers(make_model, make, tmp_path):
    """A model that was trained for one question works without naming it."""
    heads = {"gender": {"decoder": "softmax", "labels": ["female", "male"]}}
    analyzer = make(model=str(make_model(tmp_path / "half.onnx", heads)))
    assert analyzer.config.attributes == ("gender",)
    [result] = analyzer.analyze(picture(0))
    assert result.faces[0].gender is not None
    assert result.faces[0].age is None
    heads = {"race": {"decoder": "softmax", "labels": ["a", "b"]}}
    with pytest.raises(InputError, match=r"does not answer 'age'\. It knows: race\."):
        make(model=str(make_model(tmp_path / "other.onnx", heads)))


def test_a_model_with_an_unknown_kind_of_output(make_model, make, tmp_path):
    heads = {"gender": {"decoder": "softmx", "labels": ["female", "male"]}}
    path = str(make_model(tmp_path / "odd.onnx", heads))
    with pytest.raises(UnknownModelError, match="no output decoder is called 'softmx'"):
        make(model=path, attributes=("gender",))


def test_a_chip_is_as_large_as_the_model_wants(make_model, make, tmp_path):
    path = str(make_model(tmp_path / "small.onnx", size=56))
    analyzer = make(model=path)
    sizes = []
    predict = analyzer.model.predict

    def note(chips, heads):
        sizes.append(chips.shape)
        return predict(chips, heads)

    analyzer.model.predict = note
    analyzer.analyze(picture(0))
    assert sizes == [(1, 56, 56, 3)]
