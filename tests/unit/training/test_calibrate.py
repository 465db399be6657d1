"""Honest probabilities: the fitted temperature and interval undo a known fault."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.attributes.age import age_interval, age_quantile
from mien.attributes.decoders import softmax
from mien.datasets import Record
from mien.evaluation.metrics import calibration_error, coverage
from mien.training.answers import Value
from mien.training.calibrate import (
    best_interval,
    best_interval_by_age,
    best_temperature,
    calibrate,
)
from mien.training.labels import encode_labels
from mien.training.loader import Part
from mien.training.recipe import Recipe
from mien.training.tables import DataTable, HeadTable

AGES = np.arange(101)
HEADS = {"age": HeadTable(), "gender": HeadTable(), "emotion": HeadTable()}


def drawn(logits, rng):
    """One class a row, as often as its probability says."""
    p = softmax(logits)
    return (p.cumsum(1) > rng.random((len(p), 1))).argmax(1)


# --- temperature --------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7, 3.0])
@pytest.mark.parametrize("classes", [2, 8])
def test_the_known_factor_is_recovered(factor, classes):
    """A head whose logits are `factor` times what they should be."""
    rng = np.random.default_rng(classes)
    honest = rng.normal(size=(20_000, classes)) * 2
    target = np.eye(classes)[drawn(honest, rng)]
    found = best_temperature(torch.from_numpy(honest * factor), torch.from_numpy(target))
    assert found == pytest.approx(factor, rel=0.04)


def test_calibration_error_falls():
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(5_000, 8)) * 2
    label = drawn(honest, rng)
    sure = 2.5 * honest
    temperature = best_temperature(torch.from_numpy(sure), torch.from_numpy(np.eye(8)[label]))
    assert temperature > 1

    def error(p):
        return calibration_error(p.max(1), p.argmax(1) == label)

    assert error(softmax(sure)) > 0.1
    assert error(softmax(sure, temperature)) < 0.03


def test_soft_targets_by_hand():
    # The mean loss is smallest where the answer equals the shares 3 : 1, which log 9 : 0 does
    # at temperature 2.
    logits = torch.tensor([[np.log(9.0), 0.0]] * 4)
    assert best_temperature(logits, torch.tensor([[0.75, 0.25]] * 4)) == pytest.approx(2, rel=0.02)


def test_several_right_classes_count_as_one():
    rng = np.random.default_rng(1)
    honest = rng.normal(size=(20_000, 9)) * 2
    label = drawn(honest, rng)
    bins = np.repeat(np.eye(3), 3, axis=1)[label // 3]  # three bins of three classes
    found = best_temperature(torch.from_numpy(honest * 2), torch.from_numpy(bins))
    assert found == pytest.approx(2, rel=0.05)


def test_rows_without_a_label_do_not_count():
    rng = np.random.default_rng(2)
    logits = torch.from_numpy(rng.normal(size=(100, 2)))
    target = torch.eye(2)[torch.arange(100) % 2]
    more = torch.cat([logits, 50 * torch.ones(30, 2)])
    unlabelled = torch.cat([target, torch.zeros(30, 2)])
    assert best_temperature(more, unlabelled) == best_temperature(logits, target)


def test_without_any_label_nothing_is_changed():
    assert best_temperature(torch.randn(5, 8), torch.zeros(5, 8)) == 1.0
    assert best_temperature(torch.zeros(0, 8), torch.zeros(0, 8)) == 1.0


# --- interval -----------------------------------------------------------------------------------


def people(n, rng, claimed_sigma, true_sigma):
    """Predicted distributions that claim one spread, and ages that have another."""
    centre = rng.uniform(20, 80, n)
    p = softmax(-((AGES - centre[:, None]) ** 2) / (2 * claimed_sigma**2))
    return p, np.clip(np.round(rng.normal(centre, true_sigma)), 0, 100)


@pytest.mark.parametrize(("claimed", "true"), [(6.0, 6.0), (6.0, 4.0), (6.0, 8.0)])
def test_the_interval_covers_four_fifths_of_unseen_people(claimed, true):
    rng = np.random.default_rng(3)
    low, high = best_interval(*people(4_000, rng, claimed, true))
    assert low == pytest.approx(1 - high)
    p, years = people(4_000, rng, claimed, true)
    share = coverage(years, age_quantile(p, low), age_quantile(p, high))
    assert share == pytest.approx(0.8, abs=0.03)


def test_an_honest_head_gets_the_middle_four_fifths():
    low, high = best_interval(*people(8_000, np.random.default_rng(4), 6.0, 6.0))
    assert (low, high) == pytest.approx((0.1, 0.9), abs=0.02)


def test_a_head_far_too_sure_gets_the_widest_interval_there_is():
    low, high = best_interval(*people(500, np.random.default_rng(5), 1.0, 20.0))
    assert (low, high) == (0.005, 0.995)


def test_a_few_faces_make_it_careful():
    p = softmax(-((AGES - np.full((5, 1), 50.0)) ** 2) / (2 * 6.0**2))
    years = np.array([50.0, 50.0, 50.0, 50.0, 57.0])
    low, high = best_interval(p, years)
    # 0.8 * (1 + 1/5) = 0.96: with five faces all of them must lie inside, the odd one, too.
    assert coverage(years, age_quantile(p, low), age_quantile(p, high)) == 1
    assert low < 0.13  # 57 is 1.17 sigma away


def of_all_ages(n, rng):
    """Small children look their age, teenagers do not, and the old look younger than they are."""
    years = rng.integers(0, 80, 8 * n)
    sigma = np.select([years < 10, years < 20], [1.5, 7.0], 5.0)
    centre = rng.normal(years - np.maximum(0, years - 40) / 6, sigma)
    return softmax(-((AGES - centre[:, None]) ** 2) / (2 * 5.0**2)), years.astype(float)


def test_every_decade_is_covered():
    rng = np.random.default_rng(11)
    fitted_on, labels = of_all_ages(1_500, rng)
    p, years = of_all_ages(1_500, rng)

    def covered(by_age):
        low, high = age_interval(p, best_interval(fitted_on, labels), by_age)
        return [coverage(years[one], low[one], high[one]) for one in years // 10 == DECADES]

    rows = best_interval_by_age(fitted_on, labels)
    assert [age // 10 for age, _, _ in rows] == list(range(8))
    assert all(low == pytest.approx(1 - high) for _, low, high in rows)
    one_pair = covered(())
    assert one_pair[0] > 0.95
    assert one_pair[1] < 0.72
    assert covered(rows) == pytest.approx([0.8] * 8, abs=0.05)
    low, high = age_interval(p, (0.1, 0.9), rows)
    assert coverage(years, low, high) == pytest.approx(0.8, abs=0.02)


DECADES = np.arange(8)[:, None]


def test_one_decade_gets_one_pair_of_levels():
    rng = np.random.default_rng(12)
    p, years = of_all_ages(500, rng)
    forties = years // 10 == 4
    assert best_interval_by_age(p[forties], years[forties]) == ()
    few = of_all_ages(60, rng)
    assert best_interval_by_age(*few) == ()  # sixty faces a decade are too few


def test_a_decade_with_few_faces_has_the_levels_beside_it():
    p, years = of_all_ages(500, np.random.default_rng(13))
    kept = (years // 10 != 3) | (np.cumsum(years // 10 == 3) <= 50)
    rows = best_interval_by_age(p[kept], years[kept])
    assert [age // 10 for age, _, _ in rows] == [0, 1, 2, 4, 5, 6, 7]


# --- a whole network ----------------------------------------------------------------------------


def part(records, heads=HEADS, vote_filter="soft"):
    chips = torch.zeros(len(records), 1, 36, 36, dtype=torch.uint8)
    table = DataTable(path="", per_batch=1)
    return Part("p", chips, encode_labels(records, heads, vote_filter), records, table)


@pytest.fixture
def parts():
    rng = np.random.default_rng(7)
    ages, bins = rng.integers(10, 90, 300), rng.integers(0, 7, 200)
    return [
        part([Record(name="", split="val", age_years=float(a), gender="male") for a in ages]),
        part(
            [
                Record(name="", split="val", age_range=(10 * b, 10 * b + 9), gender="female")
                for b in bins.tolist()
            ]
        ),
    ]


def test_a_network_is_calibrated_on_all_parts(recipe_table, parts):
    """Answers are known, so every number can be fitted by itself."""
    rng = np.random.default_rng(8)
    logits = []
    for one in parts:
        n = len(one.records)
        logits.append(
            {
                head: torch.from_numpy(rng.normal(size=(n, k)))
                for head, k in (("age", 101), ("gender", 2), ("emotion", 8))
            }
        )
    found = calibrate(logits, parts, Recipe.from_mapping(recipe_table))
    assert set(found.temperature) == {"age", "gender", "emotion"}
    assert found.temperature["emotion"] == 1.0  # nobody voted
    genders = torch.cat([one.labels.gender for one in parts])
    # Single precision is what a network answers with.
    assert found.temperature["gender"] == best_temperature(
        torch.cat([x["gender"].float() for x in logits]), genders
    )
    p = softmax(logits[0]["age"].numpy(), found.temperature["age"])
    years = parts[0].labels.age_years.numpy()
    assert found.interval == best_interval(p, years)
    assert found.interval_by_age == best_interval_by_age(p, years)
    assert found.coverage == coverage(
        years, *age_interval(p, found.interval, found.interval_by_age)
    )


def test_bins_alone_leave_the_interval_as_it_is(recipe_table, parts):
    generator = torch.Generator().manual_seed(0)
    logits = {
        "age": torch.randn(200, 101, generator=generator),
        "gender": torch.randn(200, 2, generator=generator),
    }
    recipe_table["heads"] = ["age", "gender"]
    found = calibrate([logits], parts[1:], Recipe.from_mapping(recipe_table))
    assert (found.interval, found.coverage) == ((0.1, 0.9), None)
    assert found.temperature["age"] != 1.0  # bins do say something about certainty


@pytest.mark.parametrize(("error", "temperature"), [(6.0, 0.5625), (8.0, 1.0), (4.0, 0.4)])
def test_the_width_of_a_regressed_age_is_fitted(recipe_table, error, temperature):
    """It is 8 years times the root of the temperature; the grid of temperatures ends at 0.4."""
    rng = np.random.default_rng(9)
    true = rng.integers(40, 61, 1_000)
    records = [Record(name="", split="val", age_years=float(age)) for age in true]
    said = torch.from_numpy(true + rng.normal(0, error, 1_000)).float()
    logits = {"age": Value()((said[:, None] - 35) / 10)}
    recipe_table["heads"] = {"age": {"objective": "l2"}}
    found = calibrate([logits], [part(records)], Recipe.from_mapping(recipe_table))
    assert found.temperature["age"] == pytest.approx(temperature, rel=0.1)
    assert found.coverage == pytest.approx(0.8, abs=0.02)


def test_votes_count_as_their_majority(recipe_table):
    """Seven of ten said so: right is right. Five against five says nothing."""
    clear = Record(name="", split="val", votes=(0, 7, 0, 3, *(0,) * 6))
    other = Record(name="", split="val", votes=(0, 3, 0, 7, *(0,) * 6))
    undecided = Record(name="", split="val", votes=(0, 5, 0, 5, *(0,) * 6))
    faces = part([*[clear] * 9, other, *[undecided] * 30], {"emotion": HeadTable()})
    logits = torch.full((40, 8), -60.0)
    logits[:, 1], logits[:, 3] = 2 * np.log(9.0), 0.0  # nine in ten are right, at temperature 2
    recipe_table["heads"] = ["emotion"]
    found = calibrate([{"emotion": logits}], [faces], Recipe.from_mapping(recipe_table))
    assert found.temperature["emotion"] == pytest.approx(2, rel=0.02)
