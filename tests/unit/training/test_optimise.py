"""Learning rates, optimisers, sharpness-aware minimisation and the averaged weights, by hand."""

import copy
import itertools
import json
import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import nn

from mien.errors import ConfigError
from mien.training.answers import Model, Ordinal
from mien.training.muon import orthogonal
from mien.training.optimise import (
    Schedule,
    learning_rate,
    make_optimiser,
    sharpness_aware,
    update_average,
)
from mien.training.tables import TrainTable


def table(**values):
    return TrainTable(**{"steps": 100, **values})


def weight(value=1.0):
    return nn.Parameter(torch.tensor([[value]]))


class Line(nn.Module):
    """One weight and one bias."""

    def __init__(self):
        super().__init__()
        self.w, self.b = weight(), nn.Parameter(torch.tensor([0.5]))


# --- learning rates -----------------------------------------------------------------------------


def test_one_cycle_by_hand():
    plan = table(steps=110, learning_rate=0.2, warmup=0.1)  # eleven steps of climbing
    rates = [learning_rate(plan, step) for step in range(110)]
    assert rates[:11] == pytest.approx([0.2 * k / 11 for k in range(1, 12)])
    assert rates[11] == pytest.approx(0.2)
    assert rates[11 + 33] == pytest.approx(0.2 * 0.5 * (1 + math.cos(math.pi / 3)))
    assert rates[109] < 0.001
    assert all(a >= b for a, b in itertools.pairwise(rates[11:]))


def test_cosine_by_hand():
    plan = table(schedule="cosine", learning_rate=0.4, warmup=0.1)
    rates = [learning_rate(plan, step) for step in range(100)]
    assert [rates[k] for k in (0, 25, 50, 75)] == pytest.approx(
        [0.4, 0.2 * (1 + math.sqrt(0.5)), 0.2, 0.2 * (1 - math.sqrt(0.5))]
    )
    assert all(a > b > 0 for a, b in itertools.pairwise(rates))


def test_constant():
    plan = table(schedule="constant", learning_rate=0.3)
    assert {learning_rate(plan, step) for step in range(100)} == {0.3}


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant"])
def test_a_run_of_one_step_has_a_rate(schedule):
    plan = table(steps=1, schedule=schedule, learning_rate=0.3, warmup=1.0)
    assert learning_rate(plan, 0) == pytest.approx(0.3)


def test_the_rate_is_set_before_every_step():
    line = Line()
    plan = table(schedule="cosine", learning_rate=0.4)
    optimiser = make_optimiser(line, plan)
    schedule = Schedule(optimiser, plan)
    for step in (0, 50):
        schedule.before_step(step)
        assert schedule.rate == pytest.approx(learning_rate(plan, step))
        assert len({group["lr"] for group in optimiser.param_groups}) == 1
    schedule.after_evaluation(0.0)  # looked at by the plateau alone
    assert schedule.rate == pytest.approx(0.2)
    assert schedule.state() == {}


# --- plateau ------------------------------------------------------------------------------------


def plateau(**values):
    line = Line()
    plan = table(schedule="plateau", learning_rate=0.8, factor=0.5, plateau=2, **values)
    return Schedule(make_optimiser(line, plan), plan)


def rates_after(schedule, values):
    rates = []
    for value in values:
        schedule.after_evaluation(value)
        schedule.before_step(7)  # the number of the step has no say
        rates.append(schedule.rate)
    return rates


def test_two_bad_evaluations_lower_the_rate():
    values = [0.5, 0.6, 0.6, 0.55, 0.7, 0.6, 0.7, 0.7, 0.7]
    expected = [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1]
    assert rates_after(plateau(), values) == pytest.approx(expected)


def test_errors_that_stand_still_are_no_improvement():
    """The negative of an age error: any relative threshold would call standing still better."""
    values = [-9.0, -7.0, -7.0, -7.0, -6.0, -6.0005, -6.0]
    expected = [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]
    assert rates_after(plateau(), values) == pytest.approx(expected)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_plateau_goes_on_after_a_stop(cut):
    values = [0.5, 0.6, 0.6, 0.55, 0.7, 0.6, 0.7, 0.7, 0.7]
    straight = rates_after(plateau(), values)
    first = plateau()
    rates = rates_after(first, values[:cut])
    second = plateau()
    second.restore(json.loads(json.dumps(first.state())))
    assert second.rate == first.rate
    assert rates + rates_after(second, values[cut:]) == straight


# --- a trunk with a rate of its own --------------------------------------------------------------


def small_model():
    """Networks, heads and forms as in `mien.training.answers.Model`."""
    network = nn.Module()
    network.trunk = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    network.norm = nn.BatchNorm1d(2)
    network.heads = nn.ModuleDict({"age": nn.Linear(2, 1), "gender": nn.Linear(2, 2)})
    return Model(network, {"age": Ordinal(), "gender": nn.Identity()})


def rates_by_name(model, optimiser):
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: g["lr"] for g in optimiser.param_groups for p in g["params"]}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_heads_and_forms_have_the_whole_rate(name):
    model = small_model()
    plan = table(optimiser=name, learning_rate=0.4, trunk_rate=0.25)
    optimiser = make_optimiser(model, plan)
    Schedule(optimiser, plan)
    rates = rates_by_name(model, optimiser)
    assert rates.keys() == dict(model.named_parameters()).keys()
    whole = {n for n, rate in rates.items() if rate == 0.4}
    assert whole == {
        "network.heads.age.weight",
        "network.heads.age.bias",
        "network.heads.gender.weight",
        "network.heads.gender.bias",
        "forms.age.thresholds",
    }
    assert {rates[n] for n in rates.keys() - whole} == {0.1}


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant"])
def test_every_schedule_scales_the_trunk(schedule):
    model = small_model()
    plan = table(schedule=schedule, learning_rate=0.4, trunk_rate=0.1)
    optimiser = make_optimiser(model, plan)
    schedule = Schedule(optimiser, plan)
    for step in (0, 3, 50, 99):
        schedule.before_step(step)
        rates = rates_by_name(model, optimiser)
        rate = learning_rate(plan, step)
        assert schedule.rate == rates["forms.age.thresholds"] == rate
        assert rates["network.trunk.0.weight"] == rates["network.norm.bias"] == 0.1 * rate


def slow_plateau(model, learning_rate):
    plan = table(
        schedule="plateau", learning_rate=learning_rate, factor=0.5, plateau=1, trunk_rate=0.01
    )
    optimiser = make_optimiser(model, plan)
    return optimiser, Schedule(optimiser, plan)


@pytest.mark.parametrize("first", [0.8, 1e-6])  # torch itself would not lower 1e-8 any more
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_plateau_lowers_both_rates_also_after_a_stop(first, cut):
    values = [0.5, 0.5, 0.6, 0.6, 0.6]
    expected = [first, first / 2, first / 2, first / 4, first / 8]
    model = small_model()
    optimiser, schedule = slow_plateau(model, first)
    for number, value in enumerate(values):
        if number == cut:
            state = json.loads(json.dumps(schedule.state()))
            optimiser, schedule = slow_plateau(model, first)
            schedule.restore(state)
        schedule.after_evaluation(value)
        rates = rates_by_name(model, optimiser)
        assert rates["network.heads.age.bias"] == pytest.approx(expected[number])
        assert rates["network.trunk.0.weight"] == 0.01 * rates["network.heads.age.bias"]


def test_a_negative_rate_of_the_trunk():
    with pytest.raises(ConfigError, match=r"trunk_rate must be at least 0, got -0\.1"):
        table(trunk_rate=-0.1)


# --- optimisers ---------------------------------------------------------------------------------


def one_step(plan, gradient):
    """Weight and bias after one step from 1 and 0.5, both with the same gradient."""
    line = Line()
    optimiser = make_optimiser(line, plan)
    for parameter in line.parameters():
        parameter.grad = torch.full_like(parameter, gradient)
    optimiser.step()
    return line.w.item(), line.b.item()


def test_sgd_by_hand():
    # Nesterov's first step goes (1 + momentum) times the gradient; only the weight decays.
    plan = table(learning_rate=0.1, momentum=0.9, weight_decay=0.5)
    found = one_step(plan, 0.2)
    assert found == pytest.approx((1 - 0.1 * 1.9 * (0.2 + 0.5 * 1), 0.5 - 0.1 * 1.9 * 0.2))


def test_sgd_without_momentum_by_hand():
    plan = table(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    assert one_step(plan, 0.2) == pytest.approx((0.98, 0.48))


def test_adam_by_hand():
    # The first step of Adam is the learning rate, whatever the gradient; decay is part of it.
    plan = table(optimiser="adam", learning_rate=0.01, weight_decay=0.0)
    assert one_step(plan, 0.2) == pytest.approx((0.99, 0.49), abs=1e-6)
    assert one_step(plan, -30.0) == pytest.approx((1.01, 0.51), abs=1e-6)


def test_adamw_decays_beside_the_gradient():
    plan = table(optimiser="adamw", learning_rate=0.01, weight_decay=0.5)
    assert one_step(plan, 0.2) == pytest.approx((1 * (1 - 0.005) - 0.01, 0.49), abs=1e-6)


def test_muon_is_adamw_for_everything_but_convolutions():
    plan = table(optimiser="muon", learning_rate=0.01, weight_decay=0.5)
    assert one_step(plan, 0.2) == pytest.approx((1 * (1 - 0.005) - 0.01, 0.49), abs=1e-6)


def test_muon_turns_the_gradient_of_filters_into_a_rotation():
    """Two filters of 2x2: whatever the singular values of the gradient, those of the step agree."""
    layer = torch.nn.Conv2d(1, 2, 2, bias=False)
    before = layer.weight.detach().flatten(1).clone()
    optimiser = make_optimiser(layer, table(optimiser="muon", learning_rate=0.1, weight_decay=0.5))
    gradient = torch.diag(torch.tensor([3.0, -0.2]))
    layer.weight.grad = torch.cat([gradient, torch.zeros(2, 2)], 1).view(2, 1, 2, 2)
    optimiser.step()
    step = layer.weight.detach().flatten(1) - before * (1 - 0.1 * 0.5)
    # Sides of the matrix: 2 and 4; a step has the root mean square 0.2 of AdamW, times the rate,
    # where the smaller side is full; diagonal, as the gradient is, and against it.
    reach = 0.1 * 0.2 * 4**0.5
    assert step[0, 0].item() == pytest.approx(-reach, rel=0.35)
    assert step[1, 1].item() == pytest.approx(reach, rel=0.35)
    assert (step[0, 1:].abs().max(), step[1, 0].abs()) == pytest.approx((0, 0), abs=1e-6)
    assert layer.weight.grad is None


def test_muon_follows_the_average_of_gradients():
    layer = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    optimiser = make_optimiser(layer, table(optimiser="muon", learning_rate=0.1, weight_decay=0.0))
    places = []
    for gradient in (1.0, 1.0, -0.05):
        layer.weight.grad = torch.full_like(layer.weight, gradient)
        optimiser.step()
        places.append(layer.weight.item())
    # The third gradient is against the average of the first two, but too small to turn it.
    assert places[0] > places[1] > places[2]
    assert places[0] == pytest.approx(-0.1 * 0.2, rel=0.35)


@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (8, 8), (1, 5)])
def test_orthogonal_has_equal_singular_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    # The directions stay: the product with the exact answer is nearly as large as it can be.
    overlap = (orthogonal(matrix) * (left @ right)).sum() / min(shape)
    assert overlap == pytest.approx(values.mean().item(), abs=0.02)


def test_orthogonal_leaves_zeros_alone():
    assert torch.equal(orthogonal(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_muon_takes_no_closure():
    optimiser = make_optimiser(Line(), table(optimiser="muon"))
    with pytest.raises(ValueError, match="no closure"):
        optimiser.step(lambda: 0.0)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
def test_what_is_frozen_is_not_trained(name):
    line = Line()
    line.w.requires_grad_(False)
    optimiser = make_optimiser(line, table(optimiser=name))
    assert [p for group in optimiser.param_groups for p in group["params"]] == [line.b]


# --- sharpness-aware minimisation ---------------------------------------------------------------


class Bowl(nn.Module):
    """The loss ``w² / 2 + 2 v²``: its gradient is ``(w, 4 v)``."""

    def __init__(self):
        super().__init__()
        self.w, self.v = nn.Parameter(torch.tensor(3.0)), nn.Parameter(torch.tensor(1.0))

    def backward(self):
        (self.w**2 / 2 + 2 * self.v**2).backward()


def test_sharpness_aware_gradient_by_hand():
    bowl = Bowl()
    bowl.backward()  # (3, 4): its length is 5
    sharpness_aware(bowl, 0.5, bowl.backward)
    # Half a unit uphill lies (3.3, 1.4), where the gradient is (3.3, 5.6).
    assert (bowl.w.grad.item(), bowl.v.grad.item()) == pytest.approx((3.3, 5.6))
    assert (bowl.w.item(), bowl.v.item()) == pytest.approx((3.0, 1.0))  # nothing has moved


def test_a_radius_of_nothing_is_the_plain_gradient():
    bowl = Bowl()
    bowl.backward()
    sharpness_aware(bowl, 0.0, bowl.backward)
    assert (bowl.w.grad.item(), bowl.v.grad.item()) == (3.0, 4.0)


def test_what_has_no_gradient_is_left_alone():
    bowl = Bowl()
    bowl.extra = nn.Parameter(torch.tensor(7.0))
    bowl.backward()
    sharpness_aware(bowl, 0.5, bowl.backward)
    assert bowl.extra.item() == 7.0
    assert bowl.extra.grad is None


def test_the_second_pass_leaves_batch_norm_alone():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).train()
    x = torch.randn(16, 3)
    plain = copy.deepcopy(net)
    for model in (net, plain):
        model(x).square().mean().backward()
    sharpness_aware(net, 0.5, lambda: net(x).square().mean().backward())
    for name in ("running_mean", "running_var"):
        assert torch.equal(getattr(net[1], name), getattr(plain[1], name)), name
    assert net[1].momentum == 0.1  # it learns again in the next step
    assert not torch.allclose(net[0].weight.grad, plain[0].weight.grad)


def test_batch_norm_learns_again_after_an_error():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    net(torch.randn(8, 3)).square().mean().backward()

    def broken():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sharpness_aware(net, 0.5, broken)
    assert net[1].momentum == 0.1


# --- the average --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "decay", "kept"), [(0, 0.9, 0.1), (9, 0.9, 10 / 19), (1000, 0.9, 0.9), (0, 0.05, 0.05)]
)
def test_averaged_weights_by_hand(step, decay, kept):
    """The decay is the smaller of the recipe's and ``(1 + step) / (10 + step)``."""
    average, model = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    with torch.no_grad():
        model.weight.fill_(3.0)
    model.running_mean.fill_(5.0)
    model.num_batches_tracked.fill_(8)
    update_average(average, model, decay, step)
    assert average.weight.item() == pytest.approx(kept * 1 + (1 - kept) * 3)
    assert average.running_mean.item() == pytest.approx((1 - kept) * 5)
    assert average.num_batches_tracked.item() == 8  # a count is no average
    assert model.weight.item() == 3.0
