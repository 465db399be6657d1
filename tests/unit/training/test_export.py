"""Checkpoint to a file: calibrated, compared with torch, and only then under its final name."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.attributes import OnnxAttributeModel
from mien.attributes.decoders import softmax
from mien.errors import ConfigError, InputError, ModelError, OutputError
from mien.models import HeadSpec
from mien.training import export as module
from mien.training.answers import Answering
from mien.training.augment import centre_crop
from mien.training.calibrate import Calibration, calibrate
from mien.training.export import calibrated, check_parity, describe, export
from mien.training.folding import fold_batch_norm
from mien.training.formats import formats
from mien.training.formats.base import Format, answer_all, torch_runner
from mien.training.loader import load_parts
from mien.training.recipe import HEAD_LABELS
from mien.training.state import load_run


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    return export(tiny_run, tmp_path_factory.mktemp("out") / "corners.onnx")


@pytest.fixture(scope="module")
def source(tiny_run):
    return calibrated(*load_run(tiny_run), "corners.onnx")[0]


class Echo(Format):
    """Answers what torch answers, and a little more."""

    suffixes = (".echo",)
    more = 0.0

    def __init__(self, source):
        self.source = source

    def write(self, source, out):
        out.write_text("echo")
        return ["a note"]

    def open(self, path, heads):
        assert path.read_text() == "echo"
        run = torch_runner(self.source.network)

        def answer(batch):
            rows = run(batch)
            return rows | {heads[0]: rows[heads[0]] + np.float32(self.more)}

        return answer


# --- the file -----------------------------------------------------------------------------------


def test_the_file_answers_like_the_network(exported, source):
    part = source.held_out[0]
    chips = part.chips[:10]
    model = OnnxAttributeModel(str(exported.path), threads=1)
    plain = np.moveaxis(centre_crop(chips, 32).numpy(), 1, 3)
    answers = model.predict(plain)
    with torch.no_grad():
        logits = source.network(
            torch.from_numpy((plain[..., 0][:, None] / 255 - 0.5) / 0.25).float()
        )
    for head, probabilities in answers.items():
        expected = softmax(logits[head].numpy(), exported.spec.heads[head].temperature)
        assert probabilities == pytest.approx(expected, abs=1e-4)
    assert answers["emotion"].argmax(1).tolist() == part.labels.emotion[:10].argmax(1).tolist()


def test_the_entry_stands_in_the_file(exported, source):
    model = OnnxAttributeModel(str(exported.path), threads=1)
    assert model.spec == exported.spec == source.spec
    assert (model.spec.name, model.spec.file) == ("corners", "corners.onnx")
    assert (model.spec.license, model.spec.source) == ("MIT", "bright corners")
    assert model.spec.input.size == 32
    labels = {head: table.labels for head, table in source.recipe.heads.items()}
    assert {head: entry.labels for head, entry in model.spec.heads.items()} == labels
    assert labels["gender"] == HEAD_LABELS["gender"]


def test_the_calibration_stands_in_the_file(exported, tiny_run):
    model, recipe = load_run(tiny_run)
    parts = load_parts(recipe, "val")
    run = torch_runner(fold_batch_norm(Answering(model)))
    fitted = calibrate(answer_all(run, parts, recipe.input), parts, recipe)
    heads = exported.spec.heads
    assert {head: entry.temperature for head, entry in heads.items()} == fitted.temperature
    assert set(fitted.temperature.values()) != {1.0}
    assert heads["age"].interval == fitted.interval
    assert heads["age"].interval_by_age == fitted.interval_by_age
    assert exported.coverage == fitted.coverage
    assert 0.8 <= exported.coverage <= 1


def test_the_report_says_how_close_it_is(exported, source):
    assert exported.format == "onnx"
    assert exported.parity.faces == 64  # all that the validation splits have
    assert 0 < exported.parity.logit < 1e-4
    assert (exported.bounded, exported.limit) == ("logit", 1e-3)
    assert exported.parameters == sum(p.numel() for p in source.network.parameters())
    assert exported.size == exported.path.stat().st_size


def test_nothing_else_is_left_behind(exported):
    assert [path.name for path in exported.path.parent.iterdir()] == ["corners.onnx"]


def test_mirrored_answers_do_not_depend_on_the_side(tiny_run, exported, tmp_path):
    report = export(tiny_run, tmp_path / "mirrored.onnx", mirror=True)
    assert report.parameters == exported.parameters
    batch = np.random.default_rng(0).normal(size=(3, 1, 32, 32)).astype(np.float32)
    run = formats["onnx"]().open(report.path, ("age", "gender"))
    straight, turned = run(batch), run(np.ascontiguousarray(batch[..., ::-1]))
    np.testing.assert_allclose(straight["age"], turned["age"], atol=1e-4)


def test_the_last_checkpoint_can_be_exported_too(tiny_run, tmp_path):
    report = export(tiny_run, tmp_path / "last.onnx", checkpoint="last")
    assert report.path.is_file()
    assert report.spec.file == "last.onnx"


def test_a_variant_has_a_name_of_its_own(tiny_run, tmp_path):
    report = export(tiny_run, tmp_path / "small.onnx", format="onnx-int8")
    assert (report.format, report.spec.name) == ("onnx-int8", "corners-int8")
    assert report.spec.card == "corners-int8.md"
    assert (report.bounded, report.limit) == ("moved", 0.03)
    assert 0 < report.parity.moved < 0.03
    assert report.notes[0].startswith("int8: ")
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_torchscript_by_its_ending(tiny_run, tmp_path):
    report = export(tiny_run, tmp_path / "corners.pt")
    assert report.format == "torchscript"
    assert report.parity.logit < 1e-4


def test_an_expression_head_with_other_labels(source):
    table = replace(source.recipe.heads["gender"], labels=("calm", "cross"))
    recipe = replace(source.recipe, heads={"emotion": table})
    fitted = Calibration(temperature={"emotion": 1.5}, interval=(0.1, 0.9), coverage=None)
    spec = describe(recipe, fitted, "mood.onnx")
    assert spec.heads == {
        "emotion": HeadSpec(decoder="emotion", labels=("calm", "cross"), temperature=1.5)
    }


def test_the_entry_says_which_faces_are_answered(source):
    fitted = Calibration(
        temperature=dict.fromkeys(source.recipe.heads, 1.0), interval=(0.1, 0.9), coverage=None
    )
    recipe = replace(source.recipe, min_face_px=31, min_sharpness=4.5)
    spec = describe(recipe, fitted, "x.onnx")
    assert (spec.min_face_px, spec.min_sharpness) == (31, 4.5)
    assert describe(source.recipe, fitted, "x.onnx").min_sharpness == 0


# --- what is refused ----------------------------------------------------------------------------


def test_too_large_a_difference_keeps_the_old_file(tiny_run, tmp_path):
    path = tmp_path / "corners.onnx"
    path.write_bytes(b"the old file")
    message = r"corners\.onnx is refused: the largest difference of a logit .* allowed is 1e-12"
    with pytest.raises(ModelError, match=message):
        export(tiny_run, path, tolerance=1e-12)
    assert path.read_bytes() == b"the old file"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("more", "fine"), [(0.0, True), (9e-4, True), (1.1e-3, False)])
def test_the_tolerance_of_a_logit(source, tmp_path, more, fine):
    echo = Echo(source)
    echo.more = more
    path = tmp_path / "x.echo"
    echo.write(source, path)
    if fine:
        assert check_parity(echo, source, path).logit == pytest.approx(more, abs=1e-5)
    else:
        with pytest.raises(ModelError, match=r"0\.0011 on 64 validation faces, allowed is 0\.001"):
            check_parity(echo, source, path)


def test_a_bound_on_probability_lets_logits_move(source, tmp_path):
    echo = Echo(source)
    echo.bounded, echo.more = "moved", 5.0  # all logits of a head by the same: nothing moves
    path = tmp_path / "x.echo"
    echo.write(source, path)
    parity = check_parity(echo, source, path)
    assert parity.logit == pytest.approx(5.0, abs=1e-4)
    assert parity.moved < 1e-6
    with pytest.raises(ModelError, match=r"share of the probability that moved .* allowed is -1"):
        check_parity(echo, source, path, tolerance=-1.0)


def test_no_number_is_no_agreement(source, tmp_path):
    echo = Echo(source)
    echo.more = np.nan
    path = tmp_path / "x.echo"
    echo.write(source, path)
    with pytest.raises(ModelError, match="not finite"):
        check_parity(echo, source, path)


def test_all_files_of_a_format_arrive(source, tmp_path):
    class Two(Echo):
        def write(self, source, out):
            out.with_suffix(".more").write_text("weights")
            out.with_suffix(".scratch").write_text("of no use")
            return super().write(source, out)

        def files(self, out):
            return [out.with_suffix(".more"), out]

    parity, notes, size = module._write(Two(source), source, tmp_path / "x.echo", None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.echo", "x.more"]
    assert (parity.logit, notes, size) == (0.0, ["a note"], len("echo") + len("weights"))


def test_a_missing_run(tmp_path):
    with pytest.raises(InputError, match="checkpoint 'best' cannot be read"):
        export(tmp_path, tmp_path / "x.onnx")


def test_a_missing_folder_is_noticed_first(tmp_path):
    with pytest.raises(OutputError, match="nowhere: no such folder"):
        export(tmp_path, tmp_path / "nowhere" / "x.onnx")


def test_a_wrong_ending_is_noticed_first(tmp_path):
    with pytest.raises(ConfigError, match="no export format has the ending"):
        export(tmp_path, tmp_path / "nowhere" / "x.bin")


def test_a_name_that_is_taken_by_a_folder(tiny_run, tmp_path):
    path = tmp_path / "corners.onnx"
    path.mkdir()
    with pytest.raises(OutputError, match=r"corners\.onnx: is a folder"):
        export(tiny_run, path)
    assert list(tmp_path.iterdir()) == [path]
