"""Comparing answers, and the faces they are compared on."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import nn

from mien.errors import ModelError
from mien.models import HeadSpec, ModelSpec
from mien.training.formats.base import (
    answer_all,
    compare,
    entry_text,
    parity_faces,
    prepared,
    torch_runner,
)

SPEC = ModelSpec(
    name="m",
    task="attributes",
    file="m.onnx",
    sha256="ab",
    license="MIT",
    heads={
        "gender": HeadSpec(decoder="softmax", labels=("female", "male"), temperature=2.0),
        "emotion": HeadSpec(decoder="emotion", labels=("neutral", "other")),
    },
)


def logits(*rows):
    return np.array(rows, np.float32)


def test_a_comparison_by_hand():
    # At temperature 2, logits 0 and 2 ln 3 are one quarter and three quarters.
    three = 2 * np.log(3.0)
    expected = {"gender": logits([0, 0], [0, 0]), "emotion": logits([0, 0], [0, 0])}
    found = {"gender": logits([0, three], [0, 0]), "emotion": logits([0, 0], [0, 0])}
    parity = compare(expected, found, SPEC)
    assert parity.faces == 2
    assert parity.logit == pytest.approx(three)
    assert parity.probability == pytest.approx(0.25)
    assert parity.moved == pytest.approx(0.125)  # a quarter of one face of two


def test_the_worst_head_counts():
    expected = {"gender": logits([0, 0]), "emotion": logits([0, 0])}
    found = {"gender": logits([0, 0.2]), "emotion": logits([0, np.log(3.0)])}
    parity = compare(expected, found, SPEC)
    assert parity.logit == pytest.approx(np.log(3.0))
    assert parity.moved == pytest.approx(0.25)


def test_a_shift_of_all_logits_moves_no_probability():
    expected = {"gender": logits([1, 3]), "emotion": logits([5, 3])}
    found = {head: values + 7 for head, values in expected.items()}
    parity = compare(expected, found, SPEC)
    assert (parity.logit, parity.probability, parity.moved) == (7, 0, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(value):
    expected = {"gender": logits([0, 0]), "emotion": logits([0, 0])}
    with pytest.raises(ModelError, match="not finite"):
        compare(expected, expected | {"emotion": logits([0, value])}, SPEC)


def test_the_entry_has_a_name_and_no_checksum():
    table = json.loads(entry_text(SPEC))
    assert (table.pop("name"), table["sha256"]) == ("m", "")
    assert ModelSpec.from_mapping("m", table) == replace(SPEC, sha256="")


def test_faces_are_cropped_and_normalised(source):
    part = source.held_out[0]
    batch = prepared(part.chips[:3], source.recipe.input)
    # 36 px with the border, 32 px without; mean 0.5, standard deviation 0.25.
    assert part.chips.shape[1:] == (1, 36, 36)
    pixels = part.chips[:3, :, 2:34, 2:34].numpy()
    np.testing.assert_allclose(batch, (pixels / 255 - 0.5) / 0.25, atol=1e-6)


def test_every_data_set_gives_the_same_number_of_faces(source):
    spec = source.recipe.input
    batch = parity_faces(source.held_out, spec, 6)
    assert batch.shape == (6, 1, 32, 32)
    parts = [prepared(part.chips[:3], spec) for part in source.held_out]
    np.testing.assert_array_equal(batch, np.concatenate(parts))
    assert len(parity_faces(source.held_out, spec, 5)) == 5
    assert len(parity_faces(source.held_out, spec)) == 64  # there are no more


def test_all_faces_are_answered_in_order(source):
    run = torch_runner(source.network)
    spec = source.recipe.input
    answers = answer_all(run, source.held_out, spec, batch=5)
    for part, found in zip(source.held_out, answers, strict=True):
        whole = run(prepared(part.chips, spec))
        for head in source.heads:
            np.testing.assert_allclose(found[head].numpy(), whole[head], atol=1e-5)


def test_a_network_answers_in_evaluation_mode():
    class Half(nn.Module):
        def forward(self, image):
            return {"gender": nn.functional.dropout(image, training=self.training)}

    network = Half().double().train()
    batch = np.ones((2, 50), np.float32)
    np.testing.assert_array_equal(torch_runner(network)(batch)["gender"], batch)
