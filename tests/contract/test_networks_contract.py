"""Promises that every network family and every recipe keeps; a new one needs no new test code."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import nn

from mien.images import InputSpec
from mien.models import HeadSpec, ModelSpec, Session
from mien.training.export import DECODERS, _write, fold_batch_norm
from mien.training.loop import build_network
from mien.training.networks import networks
from mien.training.recipe import HEAD_LABELS, DataTable, Recipe, TrainTable

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    torch.set_num_threads(1)


@pytest.fixture(params=sorted(networks))
def recipe(request):
    """A recipe for one family with its default options and every head."""
    return Recipe(
        name="contract",
        input=InputSpec(size=48, colour="grey", mean=(0.5,), std=(0.25,)),
        heads=tuple(HEAD_LABELS),
        family=request.param,
        network={},
        data=(DataTable(path="", per_batch=1),),
        train=TrainTable(steps=1),
    )


@pytest.fixture
def network(recipe):
    torch.manual_seed(0)
    return build_network(recipe).eval()


def test_every_family_says_what_it_is(recipe):
    first = networks[recipe.family].__doc__.partition("\n")[0]
    assert len(first) > 20


def test_heads_come_in_the_order_asked_for(recipe, network):
    answers = network(torch.zeros(1, 1, 48, 48))
    assert list(answers) == list(recipe.heads)
    assert {head: x.shape[1] for head, x in answers.items()} == recipe.classes


def test_every_batch_norm_can_be_folded(network):
    folded = fold_batch_norm(network)
    assert not [layer for layer in folded.modules() if isinstance(layer, nn.BatchNorm2d)]
    x = torch.randn(2, 1, 48, 48)
    with torch.no_grad():
        before, after = network(x), folded(x)
    assert all(torch.allclose(before[head], after[head], atol=1e-4) for head in before)


def test_the_network_becomes_an_onnx_file_for_any_batch(recipe, network, tmp_path):
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
    _write(fold_batch_norm(network), recipe, spec, path)
    session = Session(path, threads=1)
    assert session.output_names == list(recipe.heads)
    for n in (1, 3):
        x = torch.randn(n, 1, 48, 48)
        with torch.no_grad():
            expected = network(x)
        for head, found in zip(recipe.heads, session.run(x.numpy()), strict=True):
            assert found == pytest.approx(expected[head].numpy(), abs=1e-3)


# --- recipes ------------------------------------------------------------------------------------


@pytest.fixture(params=RECIPES, ids=lambda path: path.stem)
def shipped(request):
    return Recipe.from_toml(request.param)


def test_a_recipe_names_a_family_that_exists(shipped):
    assert shipped.family in set(networks)


def test_a_recipe_makes_a_small_network(shipped):
    network = build_network(shipped).eval()
    count = sum(p.numel() for p in network.parameters())
    assert count < 4_000_000
    size, channels = shipped.input.size, shipped.input.channels
    with torch.no_grad():
        answers = network(torch.zeros(1, channels, size, size))
    assert all(np.isfinite(x.numpy()).all() for x in answers.values())
