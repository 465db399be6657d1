"""Every registered network family builds, answers and can be trained."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import nn

from mien.errors import ConfigError, UnknownModelError
from mien.images import InputSpec
from mien.training.answers import build_model
from mien.training.networks import networks
from mien.training.networks.multihead import Residual
from mien.training.networks.options import without_start
from mien.training.recipe import Recipe

HEADS = {"age": 101, "gender": 2, "emotion": 8}
SMALL = {"widths": [8, 16], "blocks": [1, 1], "stem": 8}
RECIPE = Path(__file__).parents[3] / "recipes" / "mien-m.toml"


def grey(size=48):
    return InputSpec(size=size, colour="grey", mean=(0.5,), std=(0.25,))


def rgb(size=48):
    return InputSpec(size=size, colour="RGB", mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    torch.set_num_threads(1)


@pytest.fixture(params=sorted(networks))
def family(request, small_networks):
    """A builder; options of a test come on top of those that make the family quick."""
    small = small_networks.get(request.param, {})

    def build(spec, outputs, options):
        return networks[request.param](spec, outputs, small | options)

    return build


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 48, 64, 75, 96, 112])
def test_columns_of_every_head(family, channels, size):
    spec = grey(size) if channels == 1 else rgb(size)
    network = family(spec, HEADS, {}).eval()
    with torch.no_grad():
        answers = network(torch.randn(2, channels, size, size))
    assert {head: tuple(x.shape) for head, x in answers.items()} == {
        "age": (2, 101),
        "gender": (2, 2),
        "emotion": (2, 8),
    }
    assert all(torch.isfinite(x).all() for x in answers.values())


@pytest.mark.parametrize("outputs", [{"gender": 2}, {"age": 1}, {"age": 4, "emotion": 3}], ids=str)
def test_only_the_wanted_heads(family, outputs):
    network = family(grey(), outputs, {}).eval()
    answers = network(torch.zeros(1, 1, 48, 48))
    assert {head: x.shape[1] for head, x in answers.items()} == outputs


def test_every_parameter_learns(family):
    torch.manual_seed(0)
    network = family(grey(), HEADS, {}).train()
    for _ in range(2):  # blocks start as the identity: the first step opens them
        network.zero_grad()
        answers = network(torch.randn(4, 1, 48, 48))
        sum((x - 1).square().mean() for x in answers.values()).backward()
        with torch.no_grad():
            for p in network.parameters():
                p -= 0.01 * p.grad
    still = [name for name, p in network.named_parameters() if not p.grad.abs().sum() > 0]
    assert still == []


def test_it_can_learn_a_rule(family):
    """Bright or dark, in twenty steps: nothing between pixels and heads is cut off."""
    torch.manual_seed(0)
    network = family(grey(32), {"gender": 2}, {}).train()
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    bright = torch.arange(16) % 2
    faces = torch.randn(16, 1, 32, 32) + 2.0 * bright.view(-1, 1, 1, 1) - 1.0
    for _ in range(20):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(faces)["gender"], bright).backward()
        optimiser.step()
    with torch.no_grad():
        assert (network(faces)["gender"].argmax(1) == bright).all()


def test_a_face_answers_the_same_in_any_batch(family):
    torch.manual_seed(0)
    network = family(grey(), HEADS, {}).eval()
    faces = torch.randn(3, 1, 48, 48)
    with torch.no_grad():
        together, alone = network(faces), network(faces[1:2])
    for head in HEADS:
        assert torch.allclose(together[head][1], alone[head][0], atol=1e-4)


def test_the_seed_decides_the_weights(family):
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(torch.cat([p.flatten() for p in family(grey(), HEADS, {}).parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_an_unknown_option_of_any_family(family):
    with pytest.raises(ConfigError, match=r"\[network\] has no key 'colour'"):
        family(grey(), HEADS, {"colour": 1})


def test_the_default_model_stays_small():
    recipe = Recipe.from_toml(RECIPE)
    count = sum(p.numel() for p in build_model(recipe).parameters())
    assert 1_000_000 < count < 4_000_000


# --- the multi-head family ----------------------------------------------------------------------


def test_parameters_by_hand():
    network = networks["multihead"](grey(), {"gender": 2}, SMALL)
    stem = 1 * 8 * 9 + 16 + 8 * 8 * 9 + 16
    first = 2 * (8 * 8 * 9 + 16)
    second = 8 * 16 * 9 + 32 + 16 * 16 * 9 + 32 + (8 * 16 + 32)
    head = 16 * 2 * 2 * 2 + 2
    assert sum(p.numel() for p in network.parameters()) == stem + first + second + head


def test_a_block_starts_as_its_shortcut():
    torch.manual_seed(0)
    x = torch.rand(2, 8, 6, 6)
    assert torch.equal(Residual(8, 8, 1).train()(x), x)
    halved = Residual(8, 16, 2)
    assert halved(x).shape == (2, 16, 3, 3)
    assert torch.equal(halved(x), torch.relu(halved.shortcut(x)))


def test_dropout_only_in_training():
    torch.manual_seed(0)
    network = networks["multihead"](grey(), HEADS, SMALL | {"dropout": 0.5})
    x = torch.randn(2, 1, 32, 32)
    network.eval()
    assert torch.equal(network(x)["gender"], network(x)["gender"])
    network.train()
    assert not torch.equal(network(x)["gender"], network(x)["gender"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": [8]}, "[network] has no key 'width'. Did you mean 'widths'?"),
        ({"widths": 8}, "[network] widths must be a list, got 8"),
        ({"blocks": 2}, "[network] blocks must be a list, got 2"),
        ({"widths": [8, 16], "blocks": [1]}, "[network]: widths (8, 16) and blocks (1,) differ"),
        ({"stem": "wide"}, "[network] stem must be a whole number above 0, got 'wide'"),
        ({"stem": True}, "[network] stem must be a whole number above 0, got True"),
        ({"stem": 0}, "[network] stem must be a whole number above 0, got 0"),
        ({"dropout": 2}, "[network]: dropout probability has to be between 0 and 1, but got 2"),
        ({"dropout": "some"}, "[network] dropout must be a number, got 'some'"),
        ({"dropout": True}, "[network] dropout must be a number, got True"),
        ({"widths": [-8], "blocks": [1]}, "[network] widths must be a list of whole numbers above"),
        ({"widths": []}, "[network] widths must be a list of whole numbers above 0, got []"),
        ({"spec": 3}, "[network] has no key 'spec'"),
    ],
    ids=str,
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError) as caught:
        networks["multihead"](grey(), HEADS, options)
    assert message in str(caught.value)


def test_an_unknown_family():
    with pytest.raises(UnknownModelError, match="no network family is called 'resnext'"):
        networks["resnext"]


def test_a_checkpoint_needs_no_file_to_start_from():
    assert without_start({"weights": "gone.pth", "freeze": True}) == {"freeze": True}
