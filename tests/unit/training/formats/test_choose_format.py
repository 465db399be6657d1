"""Names and endings of export formats."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.errors import ConfigError, MissingExtraError, UnknownModelError
from mien.training import formats as module
from mien.training.formats import choose_format, formats


@pytest.fixture
def everything_installed(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: object())


def test_the_formats():
    assert list(formats) == ["onnx", "onnx-int8", "openvino", "tflite", "torchscript"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.onnx", "onnx"),
        ("a.pt", "torchscript"),
        ("a.ts", "torchscript"),
        ("a.xml", "openvino"),
        ("a.tflite", "tflite"),
        ("a.tflite.onnx", "onnx"),
    ],
)
def test_the_ending_decides(file, name, everything_installed):
    chosen, built = choose_format(None, Path(file))
    assert chosen == name
    assert type(built) is formats[name]


def test_a_name_decides_between_formats_of_one_ending():
    assert choose_format("onnx-int8", Path("a.onnx"))[0] == "onnx-int8"


def test_every_ending_leads_somewhere(everything_installed):
    for name in formats:
        for suffix in formats[name].suffixes:
            chosen, built = choose_format(None, Path(f"a{suffix}"))
            assert suffix in built.suffixes
            assert choose_format(name, Path(f"a{suffix}"))[0] == name
            assert chosen == name or formats[name].variant


@pytest.mark.parametrize("file", ["a", "a.bin", "a.onnx.gz"])
def test_an_unknown_ending(file):
    with pytest.raises(ConfigError, match=r"no export format has the ending .* --format"):
        choose_format(None, Path(file))


def test_a_slip_in_the_ending():
    with pytest.raises(ConfigError, match=r"Did you mean '\.onnx'\?"):
        choose_format(None, Path("a.onx"))


def test_a_name_with_another_ending():
    with pytest.raises(ConfigError, match=r"^a\.onnx: the format 'openvino' writes .* \.xml$"):
        choose_format("openvino", Path("a.onnx"))


def test_an_unknown_name():
    with pytest.raises(UnknownModelError, match="Did you mean 'onnx-int8'"):
        choose_format("onnx-int4", Path("a.onnx"))


@pytest.mark.parametrize("name", ["openvino", "tflite"])
def test_a_missing_converter(name, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'mien\[{name}\]'"):
        choose_format(name, Path(f"a{formats[name].suffixes[0]}"))
    assert choose_format("torchscript", Path("a.pt"))[0] == "torchscript"
