"""Promises that every export format keeps; a new format or family is found by itself."""

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.images import InputSpec
from mien.training.answers import Answering, build_model
from mien.training.calibrate import Calibration
from mien.training.export import describe
from mien.training.folding import fold_batch_norm
from mien.training.formats import formats
from mien.training.formats.base import Source, compare, torch_runner
from mien.training.networks import networks
from mien.training.recipe import HEAD_LABELS, DataTable, Recipe
from mien.training.tables import TrainTable

EXACT = [name for name in formats if formats[name].bounded == "logit" and name != "onnx"]
"""Plain ONNX is in test_networks_contract.py; 8 bits need data, see tests/unit/training/formats."""


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    torch.set_num_threads(1)


@pytest.fixture(params=sorted(networks), scope="module")
def source(request, small_networks):
    """An untrained network of one family, grey 48 px faces, every head."""
    recipe = Recipe(
        name="contract",
        input=InputSpec(size=48, colour="grey", mean=(0.5,), std=(0.25,)),
        heads=tuple(HEAD_LABELS),
        family=request.param,
        network=small_networks.get(request.param, {}),
        data=(DataTable(path="", per_batch=1),),
        train=TrainTable(steps=1),
    )
    torch.manual_seed(0)
    network = fold_batch_norm(Answering(build_model(recipe)).eval())
    fitted = Calibration(
        temperature=dict.fromkeys(HEAD_LABELS, 1.0), interval=(0.1, 0.9), coverage=None
    )
    spec = describe(recipe, fitted, "contract")
    return Source(network=network, spec=spec, recipe=recipe, held_out=())


@pytest.mark.parametrize("name", sorted(formats))
def test_a_format_says_what_it_is(name):
    chosen = formats[name]
    assert chosen.__doc__.partition("\n")[0].endswith(".")
    assert all(suffix.startswith(".") for suffix in chosen.suffixes)
    assert 0 < chosen.tolerance < 1
    assert chosen.extra != "train" or not chosen.libraries  # these are there already


@pytest.mark.parametrize("name", EXACT)
def test_a_family_answers_the_same_in_every_format(source, name, tmp_path):
    if any(find_spec(library) is None for library in formats[name].libraries):
        pytest.skip(f"needs the extra [{formats[name].extra}]")
    chosen = formats[name]()
    path = tmp_path / f"contract{chosen.suffixes[0]}"
    chosen.write(source, path)
    assert sorted(tmp_path.iterdir()) == sorted(chosen.files(path))
    batch = np.random.default_rng(0).normal(size=(3, 1, 48, 48)).astype(np.float32)
    expected = torch_runner(source.network)(batch)
    run = chosen.open(path, source.heads, threads=1)
    for count in (1, 3):
        rows = {head: values[:count] for head, values in expected.items()}
        parity = compare(rows, run(batch[:count]), source.spec)
        assert parity.logit < chosen.tolerance
