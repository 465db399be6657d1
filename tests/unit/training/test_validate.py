"""What is said about the validation split while a network is trained."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.datasets import Record
from mien.images import InputSpec
from mien.training.loader import Part, encode_labels
from mien.training.recipe import DataTable
from mien.training.validate import predict_logits, validate

SPEC = InputSpec(size=32, colour="grey", mean=(0.0,), std=(1.0,))
CPU = torch.device("cpu")


class Oracle(torch.nn.Module):
    """Says what the brightness of the chip says: its mean, 0 to 255, picks the class."""

    def __init__(self, *heads):
        super().__init__()
        self.heads = heads
        self.batches = []

    def forward(self, x):
        assert x.shape[1:] == (1, 32, 32)
        self.batches.append(len(x))
        code = (x.mean((1, 2, 3)).float() * 255).round().long()
        classes = {"age": 101, "gender": 2, "emotion": 8}
        return {
            head: 60 * torch.nn.functional.one_hot(code.clamp(max=k - 1), k).float()
            for head, k in classes.items()
            if head in self.heads
        }


def part(levels, records, name="p"):
    chips = torch.tensor(levels, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 1, 36, 36)
    table = DataTable(path=str(Path(name)), per_batch=1)
    return Part(name, chips, encode_labels(records), records, table)


def record(**labels):
    return Record(name="face", split="val", **labels)


def votes(code):
    return tuple(10 * (k == code) for k in range(10))


def test_numbers_by_hand():
    faces = part(
        [0, 1, 1, 4, 2],
        [
            record(votes=votes(0)),
            record(votes=votes(1)),
            record(votes=votes(0)),  # wrong
            record(votes=votes(4)),
            record(votes=votes(8)),  # unknown: not counted
        ],
    )
    ages = part(
        [1, 0, 30, 90],
        [
            record(gender="male", age_years=1.0),
            record(gender="male", age_years=3.0),  # 3 off and wrong
            record(age_years=29.0),
            record(gender="male", age_range=(70, 100)),
        ],
    )
    found = validate(Oracle("age", "gender", "emotion"), [faces, ages], SPEC, CPU)
    assert found["emotion_accuracy"] == 0.75
    # F1: neutral p 1, r 1/2: 2/3; happiness p 1/2, r 1: 2/3; anger 1.
    assert found["emotion_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found["gender_accuracy"] == pytest.approx(2 / 3)
    assert found["age_mae"] == pytest.approx((0 + 3 + 1) / 3, abs=1e-3)
    assert found["score"] == pytest.approx(0.75 + 2 / 3 - 4 / 3 / 20, abs=1e-3)


def test_parts_count_by_their_faces():
    good = part([1] * 3, [record(gender="male")] * 3)
    bad = part([0], [record(gender="male")])
    assert validate(Oracle("gender"), [good, bad], SPEC, CPU)["gender_accuracy"] == 0.75


def test_only_what_has_labels_and_a_head():
    faces = part([1], [record(gender="male", age_years=3.0, votes=votes(1))])
    found = validate(Oracle("gender"), [faces], SPEC, CPU)
    assert found == {"gender_accuracy": 1.0, "score": 1.0}
    nothing = part([1], [record(votes=votes(9))])
    assert validate(Oracle("gender"), [nothing], SPEC, CPU) == {"score": 0.0}


def test_logits_come_in_batches_in_order():
    network = Oracle("age")
    levels = np.arange(10).tolist()
    found = predict_logits(network, part(levels, [record()] * 10), SPEC, CPU, batch=4)
    assert network.batches == [4, 4, 2]
    assert found["age"].argmax(1).tolist() == levels
    assert found["age"].dtype == torch.float32
    assert not found["age"].requires_grad
    assert not network.training
