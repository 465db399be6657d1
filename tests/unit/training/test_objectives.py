"""Objectives by hand; what has no label has no say."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.config import EMOTIONS
from mien.datasets import Record
from mien.errors import ConfigError, UnknownModelError
from mien.training.answers import Classes, Groups, Ordinal, Value
from mien.training.labels import encode_labels
from mien.training.objectives import Task, head_form, multi_task_loss, objectives
from mien.training.objectives.ages import age_target, expected_age
from mien.training.objectives.classes import class_target, soft_cross_entropy
from mien.training.objectives.distillation import softened
from mien.training.recipe import OBJECTIVES
from mien.training.tables import HeadTable, TeacherTable

NAMES = sorted(objectives)
CLASSES = ("cross-entropy", "label-smoothing", "focal", "multi-target")
AGES = tuple(str(age) for age in range(101))
GROUPS = ("0-12", "13-25", "26-59", "60+")


def record(**labels):
    return Record(name="face", split="train", **labels)


def age_head(objective="cross-entropy", **values):
    return HeadTable(labels=AGES, objective=objective, **values)


def task(head, raw, records, table=None, *, vote_filter="soft", **rest):
    """One head and one batch as the loop makes it."""
    table = table or (age_head() if head == "age" else HeadTable(objective="cross-entropy"))
    form = head_form(head, table)
    shape = {"value": Value, "ordinal": Ordinal}.get(form, Classes)()
    if table.groups:
        shape = Groups(table)
    labels = encode_labels(records, {head: table}, vote_filter)
    return Task(head, table, raw, shape(raw), labels, **rest)


def values_of(name, given):
    values, mask = objectives[name].loss(given)
    assert values.shape == mask.shape == (len(given.raw),)
    assert mask.dtype == torch.bool
    return values.tolist(), mask.tolist()


def value_of(name, given):
    """Value of the one face, which must be labelled."""
    [value], mask = values_of(name, given)
    assert mask == [True]
    return value


def on(years, n=1):
    """Age logits with nearly all mass on one age."""
    answer = torch.full((n, 101), -50.0)
    answer[:, years] = 50.0
    return answer


def two_ages(low, high, share):
    """Age logits with the mass `share` on `low` and the rest on `high`."""
    answer = torch.full((1, 101), -200.0)
    answer[0, low], answer[0, high] = math.log(share), math.log(1 - share)
    return answer


# --- classes ------------------------------------------------------------------------------------


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


def test_cross_entropy_by_hand():
    raw = torch.tensor([[math.log(3), 0.0], [0.0, 0.0], [5.0, 0.0]])
    records = [record(gender="male"), record(gender="female"), record()]
    values, mask = values_of("cross-entropy", task("gender", raw, records))
    assert values[:2] == pytest.approx([math.log(4), math.log(2)])  # P(male) = 1/4
    assert mask == [True, True, False]


def test_cross_entropy_takes_vote_shares():
    raw = torch.zeros(1, 8)
    raw[0, 1] = math.log(7)  # half of the mass on happiness, 1/14 on every other
    given = task("emotion", raw, [record(votes=(0, 6, 0, 2, 0, 0, 0, 0, 0, 0))])
    assert value_of("cross-entropy", given) == pytest.approx(
        0.75 * math.log(2) + 0.25 * math.log(14)
    )


def test_label_smoothing_by_hand():
    raw = torch.tensor([[math.log(3), 0.0]])
    table = HeadTable(objective="label-smoothing", smoothing=0.2)
    given = task("gender", raw, [record(gender="female")], table)
    # Target 0.9 and 0.1, answer 3/4 and 1/4.
    expected = 0.9 * math.log(4 / 3) + 0.1 * math.log(4)
    assert value_of("label-smoothing", given) == pytest.approx(expected)


def test_no_smoothing_is_cross_entropy():
    raw = torch.randn(1, 8, generator=torch.Generator().manual_seed(1))
    table = HeadTable(objective="label-smoothing", smoothing=0.0)
    given = task("emotion", raw, [record(expression="fear")], table)
    assert value_of("label-smoothing", given) == value_of("cross-entropy", given)


@pytest.mark.parametrize(("gamma", "factor"), [(0, 1), (1, 0.75), (2, 0.5625), (0.5, 0.75**0.5)])
def test_focal_by_hand(gamma, factor):
    raw = torch.tensor([[math.log(3), 0.0]])
    given = task("gender", raw, [record(gender="male")], HeadTable(objective="focal", gamma=gamma))
    assert value_of("focal", given) == pytest.approx(factor * math.log(4))  # P(male) = 1/4


def test_focal_forgets_what_is_easy():
    raw = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
    given = task("gender", raw, [record(gender="female")] * 2, HeadTable(objective="focal"))
    easy, hard = values_of("focal", given)[0]
    plain_easy, plain_hard = values_of("cross-entropy", given)[0]
    assert easy < 0.001 * plain_easy
    assert hard > 0.9 * plain_hard


def test_multi_target_by_hand():
    raw = torch.tensor([[math.log(5), math.log(2), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])  # sum 13
    votes = (0, 5, 0, 4, 1, 0, 0, 0, 0, 0)  # happiness and sadness are both right
    given = task("emotion", raw, [record(votes=votes)], vote_filter="multi-target")
    assert class_target(given).tolist() == [[0, 1, 0, 1, 0, 0, 0, 0]]
    assert value_of("multi-target", given) == pytest.approx(math.log(13 / 2))  # happiness leads


def test_multi_target_with_one_class_is_cross_entropy():
    raw = torch.randn(1, 8, generator=torch.Generator().manual_seed(2))
    given = task("emotion", raw, [record(expression="fear")])
    assert value_of("multi-target", given) == pytest.approx(value_of("cross-entropy", given))


def test_multi_target_moves_only_the_best_of_the_right_ones():
    raw = torch.zeros(1, 8).requires_grad_()
    with torch.no_grad():
        raw[0, 1] = 1.0
    votes = (0, 5, 0, 5, 0, 0, 0, 0, 0, 0)
    given = task("emotion", raw, [record(votes=votes)], vote_filter="multi-target")
    objectives["multi-target"].loss(given)[0].sum().backward()
    assert raw.grad[0, 1] < 0  # up with happiness
    assert (raw.grad[0, [0, 2, 3, 4, 5, 6, 7]] > 0).all()  # down with the rest, sadness too


# --- ages as classes ----------------------------------------------------------------------------


def test_every_age_is_a_class():
    given = task("age", on(30), [record(age_years=30.4)])
    assert class_target(given).nonzero().tolist() == [[0, 30]]
    assert value_of("cross-entropy", given) == pytest.approx(0, abs=1e-6)


def test_a_bin_is_spread_over_its_ages():
    given = task("age", torch.zeros(1, 101), [record(age_range=(20, 29))])
    [row] = class_target(given)
    assert row[20:30].tolist() == pytest.approx([0.1] * 10)
    assert row.sum().item() == pytest.approx(1)
    assert value_of("cross-entropy", given) == pytest.approx(math.log(101), rel=1e-5)


def test_years_are_surer_than_bins():
    given = task("age", torch.zeros(1, 101), [record(age_years=21.0, age_range=(20, 29))])
    assert class_target(given).nonzero().tolist() == [[0, 21]]


def test_groups_from_years_and_from_bins():
    table = age_head(groups=GROUPS)
    records = [
        record(age_years=12.4),
        record(age_years=12.6),  # 13 in whole years
        record(age_years=60.0),
        record(age_range=(20, 29)),  # six years of the second group, four of the third
        record(age_range=(70, 100)),
        record(),
    ]
    target = class_target(task("age", torch.zeros(6, 4), records, table))
    assert target.tolist() == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 1],
        pytest.approx([0, 0.6, 0.4, 0]),
        pytest.approx([0, 0, 0, 1]),
        [0, 0, 0, 0],
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_groups_are_trained_on_their_own_columns(name):
    raw = torch.tensor([[0.0, math.log(5), 0.0, 0.0]])  # 5/8 on the second
    table = age_head(groups=GROUPS, objective=name, gamma=0, smoothing=0)
    given = task("age", raw, [record(age_years=20.0)], table)
    assert value_of(name, given) == pytest.approx(math.log(8 / 5))


# --- ages in years ------------------------------------------------------------------------------


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
    answers = torch.cat([on(30), torch.zeros(1, 101), two_ages(20, 60, 0.75)])
    assert expected_age(answers).tolist() == pytest.approx([30, 50, 30], abs=1e-3)


def test_expectation_by_hand():
    given = task("age", two_ages(20, 60, 0.75), [record(age_years=33.5)])
    assert value_of("expectation", given) == pytest.approx(3.5, abs=1e-3)


def test_label_distribution_by_hand():
    given = task("age", torch.zeros(1, 101), [record(age_years=33.5)])
    assert value_of("label-distribution", given) == pytest.approx(math.log(101), rel=1e-5)


def test_label_distribution_is_smallest_at_its_own_width():
    """Answers of the widths 1 to 5: the one with the width of the target wins."""
    ages = torch.arange(101.0)
    answers = torch.cat([-((ages[None] - 40) ** 2) / (2 * s**2) for s in (1.0, 2.0, 3.0, 4.0, 5.0)])

    def best(table, **labels):
        given = task("age", answers, [record(age_years=40.0, **labels)] * 5, table)
        return 1 + int(torch.tensor(values_of("label-distribution", given)[0]).argmin())

    assert best(age_head(sigma=2.0)) == 2
    assert best(age_head(sigma=4.0)) == 4
    assert best(age_head(sigma=2.0), age_spread=5.0) == 5  # what the voters said comes first
    assert best(age_head(sigma=2.0), age_spread=0.0) == 1  # all agreed: half a year is left


def test_label_distribution_of_mixed_widths():
    answers = torch.zeros(2, 101)
    ages = torch.arange(101.0)
    answers[0], answers[1] = (-((ages - 40) ** 2) / (2 * s**2) for s in (2.0, 5.0))
    records = [record(age_years=40.0), record(age_years=40.0, age_spread=5.0)]
    values, _ = values_of("label-distribution", task("age", answers, records))
    # Entropy of a normal distribution: log(sigma sqrt(2 pi e)).
    assert values == pytest.approx(
        [math.log(s * math.sqrt(2 * math.pi * math.e)) for s in (2.0, 5.0)], rel=1e-4
    )


def test_mean_variance_by_hand():
    # Mean 30, variance 0.75 * 10^2 + 0.25 * 30^2 = 300; 4 years off; in decades squared.
    table = age_head("mean-variance", variance=0.05)
    given = task("age", two_ages(20, 60, 0.75), [record(age_years=26.0)], table)
    expected = (0.5 * 16 + 0.05 * 300) / 100
    assert value_of("mean-variance", given) == pytest.approx(expected, rel=1e-4)
    still = task("age", on(26), [record(age_years=26.0)], table)
    assert value_of("mean-variance", still) == pytest.approx(0, abs=1e-6)


def test_l1_and_l2_by_hand():
    """One column counts decades from the age of 35."""
    raw = torch.tensor([[0.0], [2.0], [-3.5], [9.0]])
    records = [record(age_years=years) for years in (38.0, 50.0, 0.0)] + [record()]
    l1 = values_of("l1", task("age", raw, records, age_head("l1")))
    assert l1[0][:3] == pytest.approx([0.3, 0.5, 0.0], abs=1e-6)
    l2 = values_of("l2", task("age", raw, records, age_head("l2")))
    assert l2[0][:3] == pytest.approx([0.09, 0.25, 0.0], abs=1e-6)
    assert l1[1] == l2[1] == [True, True, True, False]


def test_coral_by_hand():
    """Every "older than k years?" is a yes-or-no question of its own."""
    raw = torch.zeros(1, 100)  # half yes everywhere
    given = Task("age", age_head("coral"), raw, raw, encode_labels([record(age_years=3.0)], {}))
    assert value_of("coral", given) == pytest.approx(math.log(2))
    # Sure and right: yes for 0, 1 and 2; sure and wrong for one question: yes for 3.
    right = torch.where(torch.arange(100) < 3, 40.0, -40.0)[None]
    given = Task("age", age_head("coral"), right, right, given.labels)
    assert value_of("coral", given) == pytest.approx(0, abs=1e-6)
    right[0, 3] = 40.0
    assert value_of("coral", given) == pytest.approx(40 / 100)


def test_coral_at_the_ends():
    """Age 0 is older than nothing, age 100 than everything below."""
    labels = encode_labels([record(age_years=0.0), record(age_years=100.0)], {})
    raw = torch.cat([torch.full((1, 100), -40.0), torch.full((1, 100), 40.0)])
    values, mask = values_of("coral", Task("age", age_head("coral"), raw, raw, labels))
    assert values == pytest.approx([0, 0], abs=1e-6)
    assert mask == [True, True]


def test_bin_likelihood_by_hand():
    given = task("age", torch.zeros(1, 101), [record(age_range=(0, 9))])
    assert value_of("bin-likelihood", given) == pytest.approx(math.log(10.1), rel=1e-5)


def test_all_mass_in_the_bin_is_no_loss():
    records = [record(age_range=(20, 29)), record(age_range=(70, 100)), record(age_years=3.0)]
    answers = torch.cat([on(25), on(99), on(0)])
    values, mask = values_of("bin-likelihood", task("age", answers, records))
    assert values[:2] == pytest.approx([0, 0], abs=1e-5)
    assert mask == [True, True, False]
    wrong, _ = values_of("bin-likelihood", task("age", answers.flip(0), records))
    assert wrong[0] > 50


def test_a_normal_distribution_is_smooth():
    ages = torch.arange(101.0)
    normal = -((ages - 33.3) ** 2)[None] / (2 * 6.0**2)
    assert value_of(
        "smoothness", task("age", normal, [record(age_range=(30, 39))])
    ) == pytest.approx(0, abs=1e-6)
    # 1, -3, 3, -1: one raised age takes part in four third differences.
    spike = torch.eye(101)[50:51]
    assert value_of("smoothness", task("age", spike, [record(age_years=50.0)])) == pytest.approx(20)


def test_smoothness_spreads_the_mass_of_a_bin():
    torch.manual_seed(0)
    answers = torch.randn(1, 101, requires_grad=True)
    optimiser = torch.optim.LBFGS([answers], max_iter=500)
    given = task("age", answers, [record(age_range=(30, 39))])

    def loss():
        optimiser.zero_grad()
        terms = {name: objectives[name].loss(given)[0] for name in ("bin-likelihood", "smoothness")}
        both = terms["bin-likelihood"].sum() + 10 * terms["smoothness"].sum()
        both.backward()
        return both

    optimiser.step(loss)
    p = torch.softmax(answers[0].detach(), 0)
    assert p[30:40].sum() > 0.9
    assert 34 < float(p @ torch.arange(101.0)) < 35  # the middle of the bin
    assert torch.diff(p[25:35]).min() > 0  # one hill
    assert torch.diff(p[35:45]).max() < 0


# --- learning from a teacher --------------------------------------------------------------------


def taught(student, teacher_logits, temperature, records=None):
    return task(
        "gender",
        student,
        records or [record()] * len(student),
        HeadTable(objective={"distillation": 1.0}),
        teacher=softened(teacher_logits, temperature),
        teaching=TeacherTable(runs=("x",), temperature=temperature),
    )


@pytest.mark.parametrize("temperature", [1.0, 2.0, 7.0])
def test_a_student_like_its_teacher_has_nothing_to_learn(temperature):
    logits = 3 * torch.randn(5, 2, generator=torch.Generator().manual_seed(3))
    values, mask = values_of("distillation", taught(logits, [logits], temperature))
    rounding = 1e-6 * temperature**2
    assert values == pytest.approx([0] * 5, abs=rounding)
    assert mask == [True] * 5  # a teacher labels every face
    shifted, _ = values_of("distillation", taught(logits + 5, [logits], temperature))
    assert shifted == pytest.approx([0] * 5, abs=rounding)  # a constant changes no probability


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_distillation_by_hand(temperature):
    # Softened, the teacher says 3/4 : 1/4 and the student 1/2 : 1/2.
    teacher = torch.tensor([[temperature * math.log(3), 0.0]])
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    given = taught(torch.zeros(1, 2), [teacher], temperature)
    assert value_of("distillation", given) == pytest.approx(temperature**2 * divergence, rel=1e-5)


def test_the_squared_temperature_keeps_the_size_of_the_gradient():
    """Hinton's reason: for small logits the gradient is the same at any temperature."""
    teacher = torch.tensor([[0.02, -0.02]])
    grads = []
    for temperature in (1.0, 2.0, 8.0):
        student = torch.zeros(1, 2).requires_grad_()
        objectives["distillation"].loss(taught(student, [teacher], temperature))[0].sum().backward()
        grads.append(student.grad[0, 0].item())
    assert grads == pytest.approx([grads[0]] * 3, rel=1e-3)
    assert grads[0] < 0  # towards the teacher


def test_teachers_are_averaged_as_probabilities():
    answers = [torch.tensor([[2 * math.log(3), 0.0]]), torch.zeros(1, 2)]
    assert softened(answers, 2.0).tolist() == [pytest.approx([0.625, 0.375])]


def test_a_teacher_that_is_certain_gives_finite_losses():
    student = torch.tensor([[300.0, -300.0]]).requires_grad_()
    given = taught(student, [torch.tensor([[-1e4, 1e4]])], 2.0)
    loss = objectives["distillation"].loss(given)[0].sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_distillation_needs_a_teacher():
    given = task("gender", torch.zeros(1, 2), [record()])
    with pytest.raises(ConfigError, match=r"\[heads.gender\]: no teacher answers it"):
        objectives["distillation"].loss(given)


# --- which objectives fit together --------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "objective", "form"),
    [
        ("age", {"cross-entropy": 1}, "classes"),
        ("age", {"label-distribution": 1, "expectation": 1, "bin-likelihood": 1}, "classes"),
        ("age", {"mean-variance": 1, "label-smoothing": 1, "distillation": 1}, "classes"),
        ("age", {"bin-likelihood": 1}, "classes"),
        ("age", {"bin-likelihood": 1, "smoothness": 1}, "classes"),
        ("age", {"distillation": 1}, "classes"),
        ("age", {"l1": 1, "l2": 1}, "value"),
        ("age", {"l1": 1, "bin-likelihood": 1, "distillation": 1}, "value"),
        ("age", {"coral": 1, "bin-likelihood": 1}, "ordinal"),
        ("gender", {"focal": 1}, "classes"),
        ("emotion", {"multi-target": 1, "distillation": 1}, "classes"),
    ],
)
def test_form_of_the_columns(head, objective, form):
    assert head_form(head, HeadTable(objective=objective)) == form


@pytest.mark.parametrize(
    ("head", "objective", "groups", "message"),
    [
        ("age", {"l1": 1, "coral": 1}, (), "the objectives l1 and coral cannot share one head"),
        ("age", {"l2": 1, "cross-entropy": 1}, (), "l2 and cross-entropy cannot share"),
        ("age", {"coral": 1, "expectation": 1}, (), "coral and expectation cannot share"),
        ("age", {"l1": 1}, ("0-12", "13+"), "age groups are classes; 'l1' needs a number"),
        ("age", {"coral": 1}, ("0-12", "13+"), "age groups are classes; 'coral' needs a number"),
        ("gender", {"l1": 1}, (), "[heads.gender]: the objective 'l1' is for age"),
        ("emotion", {"bin-likelihood": 1}, (), "the objective 'bin-likelihood' is for age"),
    ],
)
def test_what_does_not_fit(head, objective, groups, message):
    with pytest.raises(ConfigError) as caught:
        head_form(head, HeadTable(objective=objective, groups=groups))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"[heads.{head}]: ")


def test_an_unknown_objective_gets_a_hint():
    with pytest.raises(UnknownModelError, match=r"no objective is called 'cross-entrpy'\. Did you"):
        head_form("emotion", HeadTable(objective="cross-entrpy"))


@pytest.mark.parametrize("name", NAMES)
def test_every_objective_says_what_it_is(name):
    assert len(objectives[name].note) > 20


def test_the_usual_objectives_exist_and_fit():
    for head, table in OBJECTIVES.items():
        assert head_form(head, HeadTable(objective=table)) == "classes"


# --- the whole loss -----------------------------------------------------------------------------

TABLES = {
    "age": age_head({"label-distribution": 1, "expectation": 1, "bin-likelihood": 1}),
    "gender": HeadTable(objective={"cross-entropy": 1}),
    "emotion": HeadTable(objective={"cross-entropy": 1}),
}


def logits(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    classes = {"age": 101, "gender": 2, "emotion": 8}
    return {
        head: torch.randn(n, k, generator=generator).requires_grad_() for head, k in classes.items()
    }


def loss_of(answers, records, tables=TABLES):
    labels = encode_labels(records, tables)
    return multi_task_loss(
        {head: Task(head, tables[head], x, x, labels) for head, x in answers.items()}
    )


def test_every_term_by_hand():
    answers = {
        "age": torch.zeros(2, 101),  # expects 50
        "gender": torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]),
        "emotion": torch.zeros(2, 8),
    }
    records = [
        record(gender="male", age_years=53.0, votes=(5, 5, *(0,) * 8)),
        record(gender="female", age_range=(0, 9)),
    ]
    terms = loss_of(answers, records)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {
            "age/label-distribution": math.log(101),
            "age/expectation": 3,
            "age/bin-likelihood": math.log(10.1),  # ten of 101 ages
            "gender/cross-entropy": (math.log(4) + math.log(2)) / 2,
            "emotion/cross-entropy": math.log(8),  # one row has votes
        },
        rel=1e-5,
    )


def test_weights_multiply():
    records = [record(gender="male", age_years=20.0, age_range=(20, 29), votes=(9,) + (0,) * 9)]
    weights = {
        "age": {"label-distribution": 2, "expectation": 3, "bin-likelihood": 5},
        "gender": {"cross-entropy": 7},
        "emotion": {"cross-entropy": 11},
    }
    heavy = {head: HeadTable(objective=objective) for head, objective in weights.items()}
    once, more = loss_of(logits(1), records), loss_of(logits(1), records, heavy)
    for head, objective in weights.items():
        for name, weight in objective.items():
            term = f"{head}/{name}"
            assert more[term].item() == pytest.approx(weight * once[term].item(), rel=1e-5)


# --- what has no label has no say ---------------------------------------------------------------


def backward(answers, records, tables=TABLES):
    terms = loss_of(answers, records, tables)
    torch.stack(list(terms.values())).sum().backward()
    return terms


def test_rows_without_a_label_have_no_gradient():
    answers = logits(4)
    records = [
        record(gender="male"),
        record(age_years=30.0),
        record(age_range=(3, 9)),
        record(votes=(0, 9, 1, *(0,) * 7)),
    ]
    backward(answers, records)
    moved = {head: (x.grad != 0).any(1).tolist() for head, x in answers.items()}
    assert moved == {
        "gender": [True, False, False, False],
        "age": [False, True, True, False],
        "emotion": [False, False, False, True],
    }


def test_more_unlabelled_rows_change_nothing():
    few, many = logits(6), logits(6)
    some = [record(gender="male", age_years=30.0), record(votes=(0, 9, 1, *(0,) * 7))]
    first = loss_of({k: v[:2] for k, v in few.items()}, some)
    second = loss_of(many, some + [record()] * 4)
    assert {k: v.item() for k, v in first.items()} == pytest.approx(
        {k: v.item() for k, v in second.items()}
    )


def one_task(name, raw, records, **values):
    """A task for any objective; `raw` has as many columns as its form needs."""
    form = objectives[name].form
    head = objectives[name].heads[0]
    shape = {"value": Value, "ordinal": Ordinal}.get(form, Classes)()
    columns = shape.scores(raw) if form == "ordinal" else raw
    table = age_head({name: 1.0}, **values)
    teacher = torch.full((len(raw), 101), 1 / 101)
    teaching = TeacherTable(runs=("x",))
    labels = encode_labels(records, {})
    return Task(head, table, columns, shape(columns), labels, teacher, teaching)


def columns_of(name):
    return 1 if objectives[name].form in ("value", "ordinal") else 101


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"distillation"}))
def test_no_objective_moves_a_row_without_its_label(name):
    raw = torch.randn(3, columns_of(name), generator=torch.Generator().manual_seed(4))
    raw.requires_grad_()
    labels = {"age_range": (3, 9)} if name == "bin-likelihood" else {"age_years": 30.0}
    given = one_task(name, raw, [record(), record(**labels), record(gender="male")])
    [term] = multi_task_loss({"age": given}).values()
    term.backward()
    assert (raw.grad != 0).any(1).tolist() == [False, True, False]
    alone = one_task(name, raw[1:2], [record(**labels)])
    assert term.item() == pytest.approx(*[t.item() for t in multi_task_loss({"a": alone}).values()])


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"distillation"}))
def test_a_batch_without_any_label_is_no_loss(name):
    raw = torch.randn(3, columns_of(name)).requires_grad_()
    [term] = multi_task_loss({"age": one_task(name, raw, [record()] * 3)}).values()
    term.backward()
    assert term.item() == 0
    assert not raw.grad.any()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("factor", [1e2, 1e4, 1e8])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_answers_have_sound_losses_and_gradients(name, factor, gamma):
    signs = torch.randn(4, columns_of(name), generator=torch.Generator().manual_seed(5)).sign()
    raw = (factor * signs).requires_grad_()
    records = [
        record(age_years=0.0),
        record(age_years=100.0),
        record(age_range=(0, 2)),
        record(),
    ]
    given = one_task(name, raw, records, gamma=gamma)
    [term] = multi_task_loss({"age": given}).values()
    term.backward()
    assert torch.isfinite(term)
    assert term >= 0
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("name", NAMES)
def test_a_sure_and_right_answer_has_a_sound_gradient(name, gamma):
    """Its probability is exactly 1, where a power below one has no slope."""
    if columns_of(name) == 1:
        raw = torch.tensor([[-0.5]]).requires_grad_()  # thirty years
    else:
        raw = (1e4 * torch.eye(101)[30:31]).requires_grad_()
    given = one_task(name, raw, [record(age_years=30.0, age_range=(30, 39))], gamma=gamma)
    [term] = multi_task_loss({"age": given}).values()
    term.backward()
    assert torch.isfinite(term)
    assert torch.isfinite(raw.grad).all()


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
        {"expression": EMOTIONS[7]},
        {},
    ],
    ids=str,
)
def test_a_batch_with_one_kind_of_label_has_sound_gradients(labels):
    answers = logits(3)
    terms = backward(answers, [record(**labels)] * 3)
    assert all(torch.isfinite(term) and term >= 0 for term in terms.values())
    for values in answers.values():
        assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize(
    "name",
    ["cross-entropy", "label-smoothing", "focal", "label-distribution", "mean-variance", "l2"],
)
def test_following_the_gradient_finds_the_age(name):
    """Two hundred steps from nowhere to 27 years."""
    raw = torch.zeros(1, columns_of(name)).requires_grad_()
    optimiser = torch.optim.Adam([raw], lr=0.1)
    for _ in range(200):
        given = one_task(name, raw, [record(age_years=27.0)])
        [term] = multi_task_loss({"age": given}).values()
        optimiser.zero_grad()
        term.backward()
        optimiser.step()
    assert given.logits.argmax().item() in (26, 27, 28)
    smoothing = 3.0 if name in ("label-smoothing", "focal") else 0.5
    assert expected_age(given.logits).item() == pytest.approx(27, abs=smoothing)
