"""Losses by hand; what has no label has no say."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.datasets import Record
from mien.training.loader import encode_labels
from mien.training.objectives import (
    age_target,
    expected_age,
    masked_mean,
    multi_task_loss,
    soft_cross_entropy,
)
from mien.training.recipe import LossTable

ONES = LossTable(emotion=1, gender=1, age_distribution=1, age_sigma=2, age_expectation=1, age_bin=1)


def record(**labels):
    return Record(name="face", split="train", **labels)


def logits(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    classes = {"age": 101, "gender": 2, "emotion": 8}
    return {
        head: torch.randn(n, k, generator=generator).requires_grad_() for head, k in classes.items()
    }


def on(years, n=1):
    """Age logits with nearly all mass on one age."""
    answer = torch.full((n, 101), -50.0)
    answer[:, years] = 50.0
    return answer


# --- parts ------------------------------------------------------------------------------------


def test_masked_mean_by_hand():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert masked_mean(values, torch.tensor([True, False, True])) == 3.5
    assert masked_mean(values, torch.tensor([False] * 3)) == 0


def test_soft_cross_entropy_by_hand():
    rows = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    target = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    assert soft_cross_entropy(rows, target).tolist() == pytest.approx(
        [math.log(2), -math.log(0.75)]
    )


def test_soft_cross_entropy_is_smallest_at_the_target():
    target = torch.tensor([[0.7, 0.2, 0.1]])
    entropy = -(target * target.log()).sum()
    assert soft_cross_entropy(target.log(), target).item() == pytest.approx(entropy.item())
    assert soft_cross_entropy(target.log() + torch.tensor([0.1, 0, 0]), target) > entropy


def test_age_target_by_hand():
    ages = torch.arange(101.0)
    [row] = age_target(torch.tensor([30.0]), 2.0, ages)
    assert row.sum() == pytest.approx(1)
    assert row.argmax() == 30
    # A normal distribution: two years, one sigma, away it is exp(-1/2) of the peak.
    assert (row[32] / row[30]).item() == pytest.approx(math.exp(-0.5), rel=1e-4)
    assert (row[28] / row[32]).item() == pytest.approx(1, rel=1e-4)


def test_age_target_at_the_end_of_the_scale():
    [row] = age_target(torch.tensor([100.0]), 2.0, torch.arange(101.0))
    assert row.sum() == pytest.approx(1)
    assert row.argmax() == 100


def test_expected_age_by_hand():
    assert expected_age(torch.cat([on(30), torch.zeros(1, 101)])).tolist() == pytest.approx(
        [30, 50], abs=1e-3
    )


# --- the whole loss ---------------------------------------------------------------------------


def test_every_term_by_hand():
    answers = {
        "age": torch.zeros(2, 101),  # expects 50
        "gender": torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]),
        "emotion": torch.zeros(2, 8),
    }
    labels = encode_labels(
        [
            record(gender="male", age_years=53.0, votes=(5, 5, *(0,) * 8)),
            record(gender="female", age_range=(0, 9)),
        ]
    )
    terms = multi_task_loss(answers, labels, ONES)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {
            "emotion": math.log(8),  # one row has votes
            "gender": (math.log(4) + math.log(2)) / 2,
            "age_distribution": math.log(101),
            "age_expectation": 3,
            "age_bin": math.log(10.1),  # ten of 101 ages
        },
        rel=1e-5,
    )


def test_weights_multiply():
    labels = encode_labels(
        [record(gender="male", age_years=20.0, age_range=(20, 29), votes=(9,) + (0,) * 9)]
    )
    table = LossTable(emotion=2, gender=3, age_distribution=5, age_expectation=7, age_bin=11)
    once, more = (multi_task_loss(logits(1), labels, t) for t in (ONES, table))
    for name, factor in zip(
        ("emotion", "gender", "age_distribution", "age_expectation", "age_bin"),
        (2, 3, 5, 7, 11),
        strict=True,
    ):
        assert more[name].item() == pytest.approx(factor * once[name].item(), rel=1e-5)


def test_all_mass_in_the_bin_is_no_loss():
    labels = encode_labels([record(age_range=(20, 29)), record(age_range=(70, 100))])
    answers = {"age": torch.cat([on(25), on(99)])}
    assert multi_task_loss(answers, labels, ONES)["age_bin"].item() == pytest.approx(0, abs=1e-5)
    wrong = {"age": torch.cat([on(99), on(25)])}
    assert multi_task_loss(wrong, labels, ONES)["age_bin"] > 50


def test_only_the_heads_of_the_network_count():
    labels = encode_labels([record(gender="male", age_years=20.0)])
    answers = logits(1)
    del answers["age"]
    assert set(multi_task_loss(answers, labels, ONES)) == {"emotion", "gender"}


# --- what has no label has no say ---------------------------------------------------------------


def backward(answers, labels, table=ONES):
    terms = multi_task_loss(answers, labels, table)
    torch.stack(list(terms.values())).sum().backward()
    return terms


def test_rows_without_a_label_have_no_gradient():
    answers = logits(4)
    labels = encode_labels(
        [
            record(gender="male"),
            record(age_years=30.0),
            record(age_range=(3, 9)),
            record(votes=(0, 9, 1, *(0,) * 7)),
        ]
    )
    backward(answers, labels)
    moved = {head: (x.grad != 0).any(1).tolist() for head, x in answers.items()}
    assert moved == {
        "gender": [True, False, False, False],
        "age": [False, True, True, False],
        "emotion": [False, False, False, True],
    }


def test_more_unlabelled_rows_change_nothing():
    few, many = logits(6), logits(6)
    some = [record(gender="male", age_years=30.0), record(votes=(0, 9, 1, *(0,) * 7))]
    first = multi_task_loss({k: v[:2] for k, v in few.items()}, encode_labels(some), ONES)
    second = multi_task_loss(many, encode_labels(some + [record()] * 4), ONES)
    assert {k: v.item() for k, v in first.items()} == pytest.approx(
        {k: v.item() for k, v in second.items()}
    )


@pytest.mark.parametrize(
    "labels",
    [
        {"gender": "female"},
        {"age_years": 30.0},
        {"age_years": 100.0},
        {"age_range": (0, 2)},
        {"age_range": (70, 100)},
        {"votes": (0, 9, 1, 0, 0, 0, 0, 0, 0, 0)},
        {"votes": (1,) * 10},  # nobody agrees: no label at all
        {},
    ],
    ids=str,
)
def test_a_batch_with_one_kind_of_label_has_sound_gradients(labels):
    answers = logits(3)
    terms = backward(answers, encode_labels([record(**labels)] * 3))
    assert all(torch.isfinite(term) and term >= 0 for term in terms.values())
    for values in answers.values():
        assert torch.isfinite(values.grad).all()


def test_extreme_logits_have_sound_gradients():
    answers = {head: (1e4 * values).detach().requires_grad_() for head, values in logits(2).items()}
    terms = backward(
        answers, encode_labels([record(age_range=(0, 2), gender="male"), record(age_years=5.0)])
    )
    assert all(torch.isfinite(term) for term in terms.values())
    assert all(torch.isfinite(values.grad).all() for values in answers.values())
