"""Promises that every network family and every recipe keeps; a new one needs no new test code."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

import count_networks
from torch import fx, nn

from mien.images import InputSpec
from mien.models import HeadSpec, ModelSpec, Session
from mien.training.answers import Answering, build_model
from mien.training.folding import fold_batch_norm
from mien.training.formats import formats
from mien.training.formats.base import Source
from mien.training.networks import networks
from mien.training.networks.options import without_start
from mien.training.recipe import HEAD_LABELS, DataTable, Recipe, TrainTable

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
DECODERS = {"age": "age-distribution", "gender": "softmax", "emotion": "emotion"}

OTHER_FORMS = {
    "cnn-small with batch norm": ("cnn-small", {"batch_norm": True}),
    "dlib-resnet, its last map one place": (
        "dlib-resnet",
        {"widths": [8, 16, 24, 32], "blocks": [1] * 4},
    ),
    "mobilefacenet in full": ("mobilefacenet", {"variant": "full"}),
    "wide-resnet of the paper": ("wide-resnet-16-8", {"pool": "global"}),
}
"""Options that make another network of a family."""

PRE_ACTIVATION = ("wide-resnet-16-8",)
"""Families whose batch norms mostly stand behind a sum, where nothing can swallow them."""


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    torch.set_num_threads(1)


@pytest.fixture(params=[*sorted(networks), *OTHER_FORMS])
def recipe(request, small_networks):
    """A recipe for one family with every head; quick options, the flagship as it is."""
    family, options = OTHER_FORMS.get(request.param, (request.param, {}))
    return Recipe(
        name="contract",
        input=InputSpec(size=48, colour="grey", mean=(0.5,), std=(0.25,)),
        heads=tuple(HEAD_LABELS),
        family=family,
        network=small_networks.get(family, {}) | options,
        data=(DataTable(path="", per_batch=1),),
        train=TrainTable(steps=1),
    )


@pytest.fixture
def network(recipe):
    """The network with running statistics that are not those of the start."""
    torch.manual_seed(0)
    network = build_model(recipe).network
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    return network.eval()


def test_every_family_says_what_it_is(recipe):
    first = networks[recipe.family].__doc__.partition("\n")[0]
    assert 20 < len(first) < 80


def test_heads_come_in_the_order_asked_for(recipe, network):
    answers = network(torch.zeros(1, 1, 48, 48))
    assert list(answers) == list(recipe.heads)
    assert {h: x.shape[1] for h, x in answers.items()} == {
        h: len(v) for h, v in HEAD_LABELS.items()
    }


def behind_a_convolution(network):
    """Batch norms whose input is a convolution's output that nothing else uses, by tracing."""
    graph = fx.symbolic_trace(copy.deepcopy(network)).graph
    layers = dict(network.named_modules())
    names = []
    for node in graph.nodes:
        if node.op == "call_module" and isinstance(layers[node.target], nn.BatchNorm2d):
            source = node.args[0]
            conv = source.op == "call_module" and isinstance(layers[source.target], nn.Conv2d)
            if conv and len(source.users) == 1:
                names.append(node.target)
    return names


def norms(network):
    return [name for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)]


def test_every_batch_norm_behind_a_convolution_is_folded(recipe, network):
    foldable = behind_a_convolution(network)
    assert foldable or not norms(network)
    folded = fold_batch_norm(network)
    assert behind_a_convolution(folded) == []
    assert set(norms(folded)) == set(norms(network)) - set(foldable)
    if recipe.family not in PRE_ACTIVATION:
        assert norms(folded) == []
    x = torch.randn(2, 1, 48, 48)
    with torch.no_grad():
        before, after = network(x), folded(x)
    for head in before:
        assert after[head].numpy() == pytest.approx(before[head].numpy(), rel=1e-3, abs=1e-3)


def test_the_network_becomes_an_onnx_file_for_any_batch(recipe, tmp_path):
    torch.manual_seed(0)
    network = fold_batch_norm(Answering(build_model(recipe)).eval())
    spec = ModelSpec(
        name=recipe.name,
        task="attributes",
        file="contract.onnx",
        sha256="",
        license="MIT",
        input=recipe.input,
        heads={h: HeadSpec(decoder=DECODERS[h], labels=HEAD_LABELS[h]) for h in recipe.heads},
    )
    path = tmp_path / "contract.onnx"
    source = Source(network=network, spec=spec, recipe=recipe, held_out=())
    formats["onnx"]().write(source, path)
    session = Session(path, threads=1)
    assert session.output_names == list(recipe.heads)
    for n in (1, 3):
        x = torch.randn(n, 1, 48, 48)
        with torch.no_grad():
            expected = network(x)
        for head, found in zip(recipe.heads, session.run(x.numpy()), strict=True):
            assert found == pytest.approx(expected[head].numpy(), abs=1e-3)


# --- the table in the docs ----------------------------------------------------------------------


def test_the_docs_have_the_numbers_of_the_script():
    text = (ROOT / "docs" / "networks.md").read_text("utf-8")
    rows = [count_networks.row(setting) for setting in count_networks.CLASSICS]
    assert [row for row in [*count_networks.HEADER.splitlines(), *rows] if row not in text] == []


def test_every_family_is_in_the_docs():
    assert {setting.family for setting in count_networks.CLASSICS} == set(networks)
    text = (ROOT / "docs" / "networks.md").read_text("utf-8")
    assert [family for family in networks if f"\n## {family}\n" not in text] == []


def test_multiply_adds_by_hand():
    with torch.device("meta"):
        layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten()
        )
        layers.append(nn.Linear(4 * 6 * 6, 10))
    parameters, total, macs = count_networks.count(layers, channels=1, size=8)
    assert parameters == total == 40 + 40 + 1450
    assert macs * 1e6 == 64 * 4 * 9 + 36 * 4 * 9 + 1440


# --- recipes ------------------------------------------------------------------------------------


@pytest.fixture(params=RECIPES, ids=lambda path: path.stem)
def shipped(request):
    """A recipe in this repository, without the file of weights that it may start from."""
    recipe = Recipe.from_toml(request.param)
    return replace(recipe, network=without_start(recipe.network))


def test_a_recipe_names_a_family_that_exists(shipped):
    assert shipped.family in set(networks)


def test_a_recipe_makes_a_network_that_answers(shipped):
    network = build_model(shipped).eval()
    size, channels = shipped.input.size, shipped.input.channels
    with torch.no_grad():
        answers = network(torch.zeros(1, channels, size, size))
    assert all(np.isfinite(x.numpy()).all() for x in answers.values())


def test_what_ships_in_the_wheel_is_small(shipped):
    with torch.device("meta"):
        count = sum(p.numel() for p in build_model(shipped).parameters())
    assert count < (4_000_000 if shipped.name.startswith("mien-") else 30_000_000)
