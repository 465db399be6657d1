"""What is said about the validation split while a network is trained."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.config import EMOTIONS
from mien.datasets import Record
from mien.images import InputSpec
from mien.training.labels import encode_labels
from mien.training.loader import Part
from mien.training.recipe import HEAD_LABELS, Recipe
from mien.training.tables import DataTable, HeadTable, TrainTable
from mien.training.validate import metric_names, predict_logits, validate

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

    def logits(self, columns):
        return columns


USUAL = {
    name: HeadTable(labels=labels, objective={"cross-entropy": 1.0})
    for name, labels in HEAD_LABELS.items()
}


def recipe_for(*names, heads=USUAL, **train):
    return Recipe(
        name="oracle",
        input=SPEC,
        heads={name: heads[name] for name in names},
        family="multihead",
        network={},
        data=(DataTable(path="p", per_batch=1),),
        train=TrainTable(steps=1, **train),
    )


def looked_at(parts, *names, **settings):
    """What `validate` says of an oracle with these heads."""
    return validate(Oracle(*names), parts, recipe_for(*names, **settings), CPU)


def part(levels, records, name="p", heads=USUAL):
    chips = torch.tensor(levels, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 1, 36, 36)
    table = DataTable(path=str(Path(name)), per_batch=1)
    return Part(name, chips, encode_labels(records, heads), records, table)


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
    found = looked_at([faces, ages], "age", "gender", "emotion")
    assert found["emotion_accuracy"] == 0.75
    # F1: neutral p 1, r 1/2: 2/3; happiness p 1/2, r 1: 2/3; anger 1.
    assert found["emotion_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # One of five is wrong, and it is wrong by 1 in two of eight classes; the vote for "unknown"
    # leaves nothing to compare the eight with.
    assert found["emotion_mae"] == pytest.approx(2 / 8 / 4)
    assert found["gender_accuracy"] == pytest.approx(2 / 3)
    assert found["age_mae"] == pytest.approx((0 + 3 + 1) / 3, abs=1e-3)
    assert found["score"] == pytest.approx(0.75 + 2 / 3 - 4 / 3 / 20, abs=1e-3)


def test_parts_count_by_their_faces():
    good = part([1] * 3, [record(gender="male")] * 3)
    bad = part([0], [record(gender="male")])
    assert looked_at([good, bad], "gender")["gender_accuracy"] == 0.75


def test_only_what_has_labels_and_a_head():
    faces = part([1], [record(gender="male", age_years=3.0, votes=votes(1))])
    assert looked_at([faces], "gender") == {"gender_accuracy": 1.0, "score": 1.0}
    nothing = part([1], [record(votes=votes(9))])
    assert looked_at([nothing], "gender") == {"score": 0.0}


def test_logits_come_in_batches_in_order():
    network = Oracle("age")
    levels = np.arange(10).tolist()
    faces = part(levels, [record()] * 10)
    found = predict_logits(network, faces, recipe_for("age"), CPU, batch=4)
    assert network.batches == [4, 4, 2]
    assert found["age"].argmax(1).tolist() == levels
    assert found["age"].dtype == torch.float32
    assert not found["age"].requires_grad
    assert not network.training


def test_mean_absolute_error_over_vote_shares():
    """The answer says half happiness, half sadness; six voted for one and four for the other."""

    class Halves(Oracle):
        def forward(self, x):
            logits = torch.full((len(x), 8), -60.0)
            logits[:, [1, 3]] = 0.0
            return {"emotion": logits}

    faces = part([0], [record(votes=(0, 6, 0, 4, 0, 0, 0, 0, 0, 0))])
    found = validate(Halves("emotion"), [faces], recipe_for("emotion"), CPU)
    assert found["emotion_mae"] == pytest.approx(0.2 / 8)
    assert found["emotion_accuracy"] == 1  # equal logits: the first of them


def test_single_labels_have_no_vote_shares():
    faces = part([1, 3], [record(expression="happiness"), record(expression="anger")])
    found = looked_at([faces], "emotion")
    assert set(found) == {"emotion_accuracy", "emotion_f1", "score"}
    assert found["emotion_accuracy"] == 0.5


def test_the_official_filter_decides_what_is_right():
    """Without a majority a face does not count, whatever the filter of training."""
    faces = part([1, 1], [record(votes=(0, 5, 0, 5, *(0,) * 6)), record(votes=votes(1))])
    found = looked_at([faces], "emotion")
    assert found["emotion_accuracy"] == 1
    # Over the shares both count: the first has half a vote wrong in two of eight classes.
    assert found["emotion_mae"] == pytest.approx((2 * 0.5 / 8 + 0) / 2)


def test_labels_of_a_users_own():
    heads = USUAL | {"emotion": HeadTable(labels=("frown", "grin"), objective="focal")}

    class Two(Oracle):
        def forward(self, x):
            return {"emotion": super().forward(x)["emotion"][:, :2]}

    records = [record(expression=e) for e in ("frown", "grin", "grin", "stare")]
    faces = part([0, 1, 0, 1], records, heads=heads)
    found = validate(Two("emotion"), [faces], recipe_for("emotion", heads=heads), CPU)
    assert found["emotion_accuracy"] == pytest.approx(2 / 3)  # nobody asked about "stare"


def test_age_groups_by_hand():
    groups = ("0-12", "13-25", "26-59", "60+")
    age = HeadTable(labels=HEAD_LABELS["age"], groups=groups, objective="cross-entropy")
    heads = USUAL | {"age": age}
    records = [record(age_years=years) for years in (12.0, 12.6, 59.5, 60.0, 30.0)]
    records.append(record(age_range=(0, 2)))  # bins are not counted
    faces = part([12, 12, 60, 99, 61, 0], records, heads=heads)
    found = looked_at([faces], "age", heads=heads)
    # In whole years these are 12 (right), 13 (wrong), 60 (right), 60 (right) and 30 (wrong).
    assert found["age_group_accuracy"] == pytest.approx(3 / 5)
    errors = (0, 0.6, 0.5, 39, 31)
    assert found["age_mae"] == pytest.approx(sum(errors) / 5, abs=1e-3)
    assert found["score"] == pytest.approx(-found["age_mae"] / 20)


@pytest.mark.parametrize(("precision", "fast"), [("bf16", True), ("fp32", False)])
def test_validation_keeps_to_the_precision(precision, fast):
    seen = []

    class Watching(Oracle):
        def forward(self, x):
            seen.append(torch.is_autocast_enabled("cpu"))
            return super().forward(x)

    faces = part([1], [record(gender="male")])
    validate(Watching("gender"), [faces], recipe_for("gender", precision=precision), CPU)
    assert seen == [fast]


# --- which metrics there are --------------------------------------------------------------------


def test_metrics_that_the_labels_allow():
    faces = part([0], [record(votes=votes(0))])
    ages = part([0], [record(age_years=3.0)])
    heads = USUAL
    assert metric_names([faces, ages], heads) == [
        "emotion_accuracy",
        "emotion_f1",
        "emotion_mae",
        "age_mae",
        "score",
    ]
    assert metric_names([ages], {"age": USUAL["age"]}) == ["age_mae", "score"]
    assert metric_names([ages], {"emotion": USUAL["emotion"]}) == ["score"]


def test_a_label_that_only_the_last_face_has_counts():
    records = [record(age_years=3.0)] * 2500 + [record(gender="male", expression=EMOTIONS[0])]
    names = metric_names([part([0] * 2501, records)], USUAL)
    assert names == ["emotion_accuracy", "emotion_f1", "gender_accuracy", "age_mae", "score"]
