"""From logits to answers, one decoder a kind of output."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mien.attributes.decoders import decode_age, decode_classes, decode_emotions, decoders, softmax
from mien.config import EMOTIONS, GENDERS, AnalyzeConfig
from mien.errors import ConfigError, ModelError, UnknownModelError
from mien.models import HeadSpec
from mien.results import Distribution

CONFIG = AnalyzeConfig()
EMOTION = HeadSpec(decoder="emotion", labels=EMOTIONS)
GENDER = HeadSpec(decoder="softmax", labels=GENDERS)
AGE = HeadSpec(decoder="age-distribution", labels=tuple(map(str, range(101))))
FACE = np.array([[0.1, 0.3, 0.05, 0.2, 0.15, 0.05, 0.1, 0.05]])

LOGITS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(2, 9)),
    elements=st.floats(-1000, 1000, width=32),
)


# --- softmax ----------------------------------------------------------------------------------


def test_softmax_by_hand():
    # exp(ln 3) : exp(0) = 3 : 1, and a constant more on both sides changes nothing.
    rows = np.array([[math.log(3), 0.0], [7 + math.log(3), 7.0], [0.0, 0.0]])
    assert softmax(rows) == pytest.approx(np.array([[0.75, 0.25], [0.75, 0.25], [0.5, 0.5]]))


def test_temperature_by_hand():
    rows = np.array([[math.log(9), 0.0]])
    assert softmax(rows, 2.0) == pytest.approx(np.array([[0.75, 0.25]]))  # sqrt(9) : 1
    assert softmax(rows, 0.5) == pytest.approx(np.array([[81 / 82, 1 / 82]]))


@given(LOGITS, st.floats(0.1, 10))
def test_rows_sum_to_one_and_keep_their_order(logits, temperature):
    found = softmax(logits, temperature)
    assert found.dtype == np.float64
    assert found.sum(axis=1) == pytest.approx(1)
    assert ((found >= 0) & (found <= 1)).all()
    best = logits.argmax(axis=1)
    assert found[np.arange(len(found)), best] == pytest.approx(found.max(axis=1))


@given(LOGITS, st.floats(1.01, 10))
def test_a_higher_temperature_is_never_surer(logits, temperature):
    surer, less_sure = softmax(logits).max(axis=1), softmax(logits, temperature).max(axis=1)
    assert (less_sure <= surer + 1e-9).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_means_a_broken_model(bad):
    with pytest.raises(ModelError, match="not finite"):
        softmax(np.array([[0.0, 1.0], [bad, 0.0]]))


def test_an_empty_batch_has_its_columns():
    assert softmax(np.zeros((0, 8), np.float32)).shape == (0, 8)


# --- classes ----------------------------------------------------------------------------------


def test_classes_as_they_are():
    answers = decode_classes(np.array([[0.25, 0.75], [1.0, 0.0]]), GENDER, CONFIG)
    assert answers == [Distribution(GENDERS, (0.25, 0.75)), Distribution(GENDERS, (1.0, 0.0))]
    assert [a.best for a in answers] == ["male", "female"]


# --- expressions ------------------------------------------------------------------------------


def test_all_expressions_stay_as_they_are():
    [answer] = decode_emotions(FACE, EMOTION, CONFIG)
    assert answer.labels == EMOTIONS
    assert answer.probabilities == pytest.approx(tuple(FACE[0]))
    assert answer.best == "happiness"


def test_a_subset_is_renormalised_in_the_order_asked_for():
    config = AnalyzeConfig(emotions=("sadness", "neutral", "happiness"))
    [answer] = decode_emotions(FACE, EMOTION, config)
    assert answer.labels == ("sadness", "neutral", "happiness")
    assert answer.probabilities == pytest.approx((0.2 / 0.6, 0.1 / 0.6, 0.3 / 0.6))


def test_a_face_that_shows_none_of_them_is_undecided():
    config = AnalyzeConfig(emotions=("fear", "disgust"))
    surely_happy = np.eye(8)[[1]]
    [answer] = decode_emotions(surely_happy, EMOTION, config)
    assert answer.probabilities == pytest.approx((0.5, 0.5))


@given(
    st.lists(st.sampled_from(EMOTIONS), min_size=2, max_size=8, unique=True),
    hnp.arrays(np.float64, (3, 8), elements=st.floats(0, 1)),
)
def test_any_subset_sums_to_one(wanted, weights):
    answers = decode_emotions(weights, EMOTION, AnalyzeConfig(emotions=tuple(wanted)))
    for answer in answers:
        assert answer.labels == tuple(wanted)
        assert sum(answer.probabilities) == pytest.approx(1)


def test_an_unknown_expression_gets_a_hint():
    config = AnalyzeConfig(emotions=("neutral", "hapiness"))
    with pytest.raises(ConfigError) as caught:
        decode_emotions(FACE, EMOTION, config)
    assert str(caught.value) == (
        "the model knows no expression 'hapiness'. Did you mean 'happiness'? "
        f"Known: {', '.join(EMOTIONS)}."
    )


def test_an_unknown_expression_is_noticed_without_a_face():
    config = AnalyzeConfig(emotions=("neutral", "boredom"))
    with pytest.raises(ConfigError, match="no expression 'boredom'"):
        decode_emotions(np.zeros((0, 8)), EMOTION, config)


# --- ages -------------------------------------------------------------------------------------


def test_the_interval_is_the_models_own():
    row = np.full((1, 101), 1 / 101)
    wide = HeadSpec(decoder="age-distribution", labels=AGE.labels, interval=(0.0, 1.0))
    [inner] = decode_age(row, AGE, CONFIG)
    [outer] = decode_age(row, wide, CONFIG)
    # Evenly spread over 0 to 101 years, half a year off: 10.1 - 0.5 and 90.9 - 0.5.
    assert (inner.low, inner.high) == pytest.approx((9.6, 90.4))
    assert (outer.low, outer.high) == (0, 100)


def test_groups_come_from_the_settings():
    config = AnalyzeConfig.from_mapping({"age_groups": "0-17,18+"})
    [age] = decode_age(np.eye(101)[[18]], AGE, config)
    assert age.group == "18+"


def test_other_ages_than_0_to_100_are_a_broken_model():
    head = HeadSpec(decoder="age-distribution", labels=("young", "old"))
    with pytest.raises(ModelError, match="an age distribution has 101 classes, the model has 2"):
        decode_age(np.zeros((0, 2)), head, CONFIG)


# --- all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(decoders))
def test_no_faces_give_no_answers(name):
    head = {"age-distribution": AGE, "emotion": EMOTION}.get(name, GENDER)
    assert list(decoders[name](np.zeros((0, len(head.labels))), head, CONFIG)) == []


def test_an_unknown_decoder_says_what_there_is():
    with pytest.raises(
        UnknownModelError, match=r"no output decoder is called 'softmx'\..*'softmax'"
    ):
        decoders["softmx"]
