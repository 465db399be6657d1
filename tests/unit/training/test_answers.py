"""From columns to logits over labels: every age head answers with 101 probabilities."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.attributes.age import age_quantile
from mien.errors import ConfigError, UnknownModelError
from mien.training.answers import (
    Answering,
    Classes,
    Groups,
    Ordinal,
    Value,
    build_model,
)
from mien.training.objectives.ages import expected_age
from mien.training.recipe import Recipe
from mien.training.tables import HeadTable

GROUPS = ("0-12", "13-25", "26-59", "60+")
FORMS = {
    "classes": ("cross-entropy", 101),
    "value": ("l1", 1),
    "ordinal": ("coral", 1),
}


def probabilities(logits):
    p = torch.softmax(logits, 1)
    assert torch.isfinite(p).all()
    assert p.sum(1).tolist() == pytest.approx([1] * len(p))
    return p


def test_classes_stay_as_they_are():
    logits = torch.randn(3, 8)
    assert torch.equal(Classes()(logits), logits)


# --- age groups ---------------------------------------------------------------------------------


def test_a_group_keeps_its_probability_and_spreads_it_evenly():
    raw = torch.randn(5, 4, generator=torch.Generator().manual_seed(1)) * 3
    p = probabilities(Groups(HeadTable(groups=GROUPS))(raw))
    assert p.shape == (5, 101)
    mass = torch.stack([p[:, a:b].sum(1) for a, b in ((0, 13), (13, 26), (26, 60), (60, 101))], 1)
    assert torch.allclose(mass, torch.softmax(raw, 1), atol=1e-6)
    for a, b in ((0, 13), (13, 26), (26, 60), (60, 101)):
        assert torch.allclose(p[:, a:b], p[:, a : a + 1], rtol=1e-5)


def test_expected_age_of_groups_by_hand():
    raw = torch.log(torch.tensor([[0.5, 0.0, 0.0, 0.5], [0.0, 1.0, 0.0, 0.0]]) + 1e-30)
    # Middles of 0-12 and 60-100 are 6 and 80; of 13-25 it is 19.
    answers = Groups(HeadTable(groups=GROUPS))(raw)
    assert expected_age(answers).tolist() == pytest.approx([43, 19], abs=1e-3)


# --- one number ---------------------------------------------------------------------------------


def columns_for(years):
    return (torch.as_tensor(years, dtype=torch.float32)[:, None] - 35) / 10


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_a_regressed_age_is_the_mean_of_its_distribution(temperature):
    years = torch.arange(0.0, 100.5, 0.5)
    logits = Value()(columns_for(years)) / temperature
    probabilities(logits)
    # Near the ends, where a distribution widened by its temperature is cut off, a little is lost.
    assert (expected_age(logits) - years).abs().max() < 0.75 * max(1.0, temperature)
    inside = (years > 20) & (years < 80)
    assert (expected_age(logits) - years)[inside].abs().max() < 0.3 * temperature**2


def test_width_of_a_regressed_age():
    p = probabilities(Value()(columns_for([50.0, 10.0])))
    assert (p[0, 58] / p[0, 50]).item() == pytest.approx(math.exp(-0.5), rel=1e-4)  # 8 years
    assert (p[1, 14] / p[1, 10]).item() == pytest.approx(math.exp(-0.5), rel=1e-4)  # 10 / 2.5
    low, high = (age_quantile(p.double().numpy(), level) for level in (0.1, 0.9))
    assert (high - low).tolist() == pytest.approx([2 * 1.2816 * 8, 2 * 1.2816 * 4], rel=0.03)


def test_temperature_scales_the_width():
    logits = Value()(columns_for([50.0]))
    [p] = probabilities(logits / 2.25)  # half as wide again: 12 years
    assert (p[62] / p[50]).item() == pytest.approx(math.exp(-0.5), rel=1e-4)


@pytest.mark.parametrize("raw", [-1e6, -30.0, 30.0, 1e6])
def test_a_number_beyond_the_scale_stays_at_its_end(raw):
    [p] = probabilities(Value()(torch.tensor([[raw]])))
    assert p.argmax() == (0 if raw < 0 else 100)


# --- ordered thresholds -------------------------------------------------------------------------


def test_ordinal_answers_by_hand():
    older = torch.full((1, 100), 0.9)  # older than 0, 1, ... 29 years
    older[0, 30:] = 0.2
    p = probabilities(Ordinal()(torch.logit(older)))
    assert p[0, [0, 30, 100]].tolist() == pytest.approx([0.1, 0.7, 0.2], abs=1e-3)
    # The mean is the sum of all P(older than k): 30 * 0.9 + 70 * 0.2.
    assert expected_age(Ordinal()(torch.logit(older))).item() == pytest.approx(41, abs=0.01)


def test_thresholds_are_added_to_one_score():
    form = Ordinal()
    assert len(form.thresholds) == 100
    scores = form.scores(torch.tensor([[0.0], [1.5]]))
    assert torch.equal(scores[0], form.thresholds)
    assert torch.allclose(scores[1], form.thresholds + 1.5)
    assert (form.thresholds.diff() < 0).all()  # older than k is ever less likely


def test_expected_age_rises_with_the_score():
    form = Ordinal()
    scores = torch.linspace(-12, 12, 49)[:, None]
    ages = expected_age(form(form.scores(scores))).detach()
    assert (ages.diff() > 0).all()
    assert ages[24].item() == pytest.approx(50, abs=0.1)  # thresholds are symmetric
    assert ages[0] < 1
    assert ages[-1] > 99


def test_crossed_thresholds_and_extreme_scores_stay_probabilities():
    form = Ordinal()
    with torch.no_grad():
        form.thresholds += torch.randn(100, generator=torch.Generator().manual_seed(1))
    for score in (-1e6, -50.0, 0.0, 50.0, 1e6):
        scores = form.scores(torch.tensor([[score]]))
        probabilities(form(scores))


# --- the model ----------------------------------------------------------------------------------


def recipe_with(table, **heads):
    table["heads"] = heads
    return Recipe.from_mapping(table)


@pytest.mark.parametrize("form", FORMS)
def test_the_network_gets_the_columns_that_the_objective_needs(recipe_table, form):
    objective, columns = FORMS[form]
    labels = ["grin", "frown", "stare"]
    recipe = recipe_with(
        recipe_table,
        age={"objective": objective},
        gender={},
        emotion={"labels": labels, "objective": "focal"},
    )
    model = build_model(recipe).eval()
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        raw, answers = model.network(x), Answering(model)(x)
    assert {head: y.shape[1] for head, y in raw.items()} == {
        "age": columns,
        "gender": 2,
        "emotion": 3,
    }
    assert {head: y.shape[1] for head, y in answers.items()} == {
        "age": 101,
        "gender": 2,
        "emotion": 3,
    }
    for logits in answers.values():
        probabilities(logits)


def test_age_groups_are_columns_of_the_network(recipe_table):
    recipe = recipe_with(recipe_table, age={"objective": "cross-entropy", "groups": list(GROUPS)})
    model = build_model(recipe).eval()
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        columns = model(x)
        assert columns["age"].shape == (2, 4)
        assert Answering(model)(x)["age"].shape == (2, 101)
        assert torch.equal(model.logits(columns)["age"], Answering(model)(x)["age"])


def test_thresholds_are_trained_with_the_network(recipe_table):
    model = build_model(recipe_with(recipe_table, age={"objective": "coral"}))
    assert model(torch.randn(2, 1, 32, 32))["age"].shape == (2, 100)
    names = dict(model.named_parameters())
    assert names["forms.age.thresholds"].requires_grad
    # Buffers that follow from the recipe are no part of a checkpoint.
    assert not [
        name
        for name in model.state_dict()
        if name.startswith("forms.age.") and name != "forms.age.thresholds"
    ]


def test_columns_are_full_precision_under_autocast(recipe_table):
    model = build_model(recipe_with(recipe_table, gender={}))
    with torch.autocast("cpu", torch.bfloat16):
        assert model(torch.randn(2, 1, 32, 32))["gender"].dtype == torch.float32


def test_an_unknown_network(recipe_table):
    recipe_table["network"] = {"family": "multihed"}
    with pytest.raises(UnknownModelError, match=r"'multihed'\. Did you mean 'multihead'\?"):
        build_model(Recipe.from_mapping(recipe_table))


def test_a_misspelt_option_of_the_network(recipe_table):
    recipe_table["network"]["dropuot"] = 0.1
    with pytest.raises(ConfigError, match=r"\[network\] has no key 'dropuot'. Did you mean"):
        build_model(Recipe.from_mapping(recipe_table))
