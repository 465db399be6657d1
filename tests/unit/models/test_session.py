"""onnxruntime behind our class: results, devices, refusals and threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.errors import DeviceError, ModelError
from mien.models import PROVIDERS, Session, available_devices

BATCH = np.array([[1, 2, 3], [-4, 0, 4]], np.float32)


@pytest.fixture(scope="module")
def session(tiny_model):
    return Session(tiny_model, threads=1)


def test_the_model_describes_itself(session, tiny_model):
    assert session.path == tiny_model
    assert session.input_name == "pixels"
    assert session.output_names == ["double", "total"]
    assert session.metadata == {"mien": '{"task": "attributes"}', "note": "for tests"}


def test_all_outputs_in_the_order_of_the_file(session):
    double, total = session.run(BATCH)
    assert double.tolist() == [[2, 4, 6], [-8, 0, 8]]
    assert total.tolist() == [[6], [0]]


@pytest.mark.parametrize("names", [["total"], ("total", "double")])
def test_chosen_outputs_in_the_order_asked_for(session, names):
    answers = dict(zip(names, session.run(BATCH, names), strict=True))
    assert answers["total"].tolist() == [[6], [0]]
    assert answers.get("double", 2 * BATCH).tolist() == (2 * BATCH).tolist()


def test_any_batch_size(session):
    assert session.run(np.empty((0, 3), np.float32))[0].shape == (0, 3)
    assert session.run(np.ones((17, 3), np.float32))[1].shape == (17, 1)


@pytest.mark.parametrize(
    "batch",
    [np.ones((2, 4), np.float32), np.ones(3, np.float32), np.ones((2, 3), np.float64)],
    ids=["width", "axes", "type"],
)
def test_a_wrong_input_is_one_line_that_names_the_model(session, batch):
    with pytest.raises(ModelError) as caught:
        session.run(batch)
    assert str(caught.value).startswith(f"tiny.onnx failed on input {batch.shape}: ")
    assert "\n" not in str(caught.value)


def test_an_unknown_output_is_refused(session):
    with pytest.raises(ModelError, match=r"tiny\.onnx failed .*age"):
        session.run(BATCH, ["age"])


def test_the_session_works_on_after_a_refusal(session):
    with pytest.raises(ModelError):
        session.run(np.ones((2, 4), np.float32))
    assert session.run(BATCH)[1].tolist() == [[6], [0]]


def test_an_unknown_device_lists_what_is_there(tiny_model):
    with pytest.raises(DeviceError) as caught:
        Session(tiny_model, device="tpu")
    message = str(caught.value)
    assert message.startswith("device 'tpu' is not available. Here: ")
    assert all(device in message for device in available_devices())


def test_a_known_device_that_is_not_here_is_refused(tiny_model):
    missing = sorted(PROVIDERS.keys() - set(available_devices()))
    with pytest.raises(DeviceError, match=f"device '{missing[0]}' is not available"):
        Session(tiny_model, device=missing[0])


def test_the_processor_is_always_there():
    assert "cpu" in available_devices()
    assert set(available_devices()) <= PROVIDERS.keys()


@pytest.mark.parametrize("content", [b"", b"this is not a model", b"\x08\x08\x12\x00" * 40])
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        Session(path)
    assert str(caught.value).startswith(f"{path}: onnxruntime cannot load this model: ")
    assert "\n" not in str(caught.value)


def test_half_a_model_is_refused(tiny_model, tmp_path):
    path = tmp_path / "half.onnx"
    whole = tiny_model.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"half\.onnx: onnxruntime cannot load"):
        Session(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.onnx"):
        Session(tmp_path / "nowhere.onnx")


def test_threads_share_a_session(tiny_model):
    session = Session(tiny_model, threads=1)
    rng = np.random.default_rng(3)
    batches = [rng.normal(size=(rng.integers(1, 40), 3)).astype(np.float32) for _ in range(60)]
    alone = [session.run(batch) for batch in batches]
    with ThreadPoolExecutor(max_workers=4) as pool:
        together = list(pool.map(session.run, batches))
    for batch, expected, found in zip(batches, alone, together, strict=True):
        assert (found[0] == 2 * batch).all()
        assert all((a == b).all() for a, b in zip(expected, found, strict=True))
