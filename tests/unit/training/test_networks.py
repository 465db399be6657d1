"""Every registered network family builds, answers and can be trained."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.errors import ConfigError, UnknownModelError
from mien.images import InputSpec
from mien.training.loop import build_network
from mien.training.networks import networks
from mien.training.networks.multihead import Residual
from mien.training.recipe import Recipe

HEADS = {"age": 101, "gender": 2, "emotion": 8}
SMALL = {"widths": [8, 16], "blocks": [1, 1], "stem": 8}
RECIPE = Path(__file__).parents[3] / "recipes" / "mien-m.toml"


def grey(size=48):
    return InputSpec(size=size, colour="grey", mean=(0.5,), std=(0.25,))


@pytest.fixture(params=sorted(networks))
def family(request):
    return networks[request.param]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [48, 64])
def test_logits_of_every_head(family, channels, size):
    colour = "grey" if channels == 1 else "RGB"
    spec = InputSpec(size=size, colour=colour, mean=(0.5,) * channels, std=(0.25,) * channels)
    network = family(spec, HEADS, {}).eval()
    with torch.no_grad():
        answers = network(torch.zeros(2, channels, size, size))
    assert {head: tuple(x.shape) for head, x in answers.items()} == {
        "age": (2, 101),
        "gender": (2, 2),
        "emotion": (2, 8),
    }


def test_only_the_wanted_heads(family):
    network = family(grey(), {"gender": 2}, {}).eval()
    assert list(network(torch.zeros(1, 1, 48, 48))) == ["gender"]


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


def test_the_default_model_stays_small():
    recipe = Recipe.from_toml(RECIPE)
    count = sum(p.numel() for p in build_network(recipe).parameters())
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
        ({"stem": "wide"}, "[network]: "),
        ({"dropout": 2}, "[network]: "),
        ({"widths": [-8], "blocks": [1]}, "[network]: "),
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
