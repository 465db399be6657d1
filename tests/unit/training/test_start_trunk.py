"""A run may begin with a file of plain layers: what fits is taken, the rest starts at random."""

import json

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from safetensors.torch import save_file
from torch import nn

from mien.errors import InputError
from mien.training.answers import build_model
from mien.training.augment import centre_crop, scaled
from mien.training.loader import load_parts
from mien.training.loop import train
from mien.training.recipe import Recipe
from mien.training.start import begin_with

OPTIONS = {"family": "dlib-resnet", "widths": [4, 6, 8], "blocks": [2, 1, 2], "dropout": 0.0}


@pytest.fixture
def recipe_for(recipe_table, tmp_path):
    """A recipe that starts from a file in the test's folder."""

    def build(start=tmp_path / "trunk.safetensors", **options):
        table = json.loads(json.dumps(recipe_table))
        table["network"] = OPTIONS | options
        table["train"] |= {"start": str(start), "learning_rate": 0.02}
        return Recipe.from_mapping(table)

    return build


@pytest.fixture
def original(recipe_for):
    """A trained trunk: its batch norms have statistics, scales and shifts of their own."""
    torch.manual_seed(8)
    network = build_model(recipe_for()).network.eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, 0, 0.2)
            nn.init.uniform_(layer.running_var, 0.2, 0.6)
            nn.init.uniform_(layer.weight, 0.7, 1.3)
            nn.init.normal_(layer.bias, 0, 0.2)
    return network


def trunk_of(network):
    """Tensors of stem and stages."""
    return {k: v.clone() for k, v in network.state_dict().items() if k.startswith("st")}


def folded(network):
    """The same with batch norms that have no statistics left, as `make_trunk.py` writes them."""
    tensors = {}
    for name, value in trunk_of(network).items():
        norm = name.rpartition(".")[0]
        if f"{norm}.running_var" not in network.state_dict():
            tensors[name] = value
    for name, layer in network.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            gain = layer.weight / (layer.running_var + layer.eps).sqrt()
            tensors[f"{name}.weight"] = gain.detach()
            tensors[f"{name}.bias"] = (layer.bias - gain * layer.running_mean).detach()
            tensors[f"{name}.running_mean"] = torch.zeros_like(gain)
            tensors[f"{name}.running_var"] = torch.full_like(gain, 1 - layer.eps)
    return tensors


def begun(recipe, tensors):
    """Model and what is new in it."""
    save_file(tensors, recipe.train.start)
    torch.manual_seed(1)
    model = build_model(recipe, empty=True)
    fresh = begin_with(model, recipe, load_parts(recipe, "train"))
    return model, fresh


def stage_maps(network, x):
    """What every stage answers."""
    x = network.stem(x)
    maps = []
    for stage in network.stages:
        x = stage(x)
        maps.append(x)
    return maps


def faces(recipe):
    chips = torch.cat([part.chips for part in load_parts(recipe, "train")])
    return scaled(centre_crop(chips, recipe.input.size), recipe.input)


@torch.no_grad()
@pytest.mark.parametrize("form", [folded, trunk_of])
def test_the_trunk_answers_as_it_did(form, recipe_for, original):
    recipe = recipe_for()
    model, fresh = begun(recipe, form(original))
    assert fresh == ["heads", "norm"]
    x = faces(recipe)
    expected, found = stage_maps(original, x), stage_maps(model.network.eval(), x)
    alive = stage_maps(model.network.train(), x)
    for before, after, trained in zip(expected, found, alive, strict=True):
        assert before.std() > 0.05
        assert torch.allclose(after, before, atol=1e-4)
        # With the statistics of the batch, which are those that were measured.
        assert torch.allclose(trained, before, atol=1e-3)
    norm = model.network.stem[1]
    assert not torch.allclose(norm.running_var, torch.ones_like(norm.running_var), atol=0.01)


def test_the_rest_is_random(recipe_for, original):
    recipe = recipe_for()
    torch.manual_seed(1)
    untouched = build_model(recipe).network.state_dict()
    state = begun(recipe, folded(original))[0].network.state_dict()
    for name in state:
        if name.startswith(("heads.", "norm.")):
            assert torch.equal(state[name], untouched[name]), name
    filters = "stages.1.0.first.0.weight"
    assert torch.equal(state[filters], original.state_dict()[filters])


@pytest.mark.parametrize(
    ("options", "fresh"),
    [
        ({"blocks": [1, 1, 1]}, []),  # a smaller network takes the first layers of each stage
        ({"blocks": [2, 2, 2]}, ["stages.1.1"]),
        ({"widths": [4, 6, 10]}, ["stages.2"]),
        ({"widths": [4, 6, 8, 10], "blocks": [2, 1, 2, 1]}, ["stages.3"]),
    ],
    ids=str,
)
def test_another_network_of_the_family(recipe_for, original, options, fresh):
    assert begun(recipe_for(**options), folded(original))[1] == ["heads", "norm", *fresh]


def test_a_checkpoint_gives_its_averaged_trunk(recipe_for, original):
    """A student takes the first blocks of its teacher."""
    whole = original.state_dict()
    tensors = {f"average/network.{name}": value for name, value in whole.items()}
    tensors |= {f"model/network.{name}": torch.zeros_like(value) for name, value in whole.items()}
    _, fresh = begun(recipe_for(widths=[4, 6, 10]), tensors)
    assert fresh == ["heads", "norm", "stages.2"]
    model, fresh = begun(recipe_for(blocks=[1, 1, 2]), tensors)
    assert fresh == ["heads"]  # whose columns may mean something else
    state = model.network.state_dict()
    for name in ("stages.0.0.first.0.weight", "stages.2.1.second.0.weight", "norm.weight"):
        assert torch.equal(state[name], whole[name]), name
    assert not torch.equal(state["heads.age.weight"], whole["heads.age.weight"])


def test_a_layer_that_the_file_lacks_is_named(recipe_for, original):
    tensors = folded(original)
    del tensors["stages.2.0.shortcut.weight"]
    tensors["stages.1.0.second.0.weight"] = torch.zeros(6, 6, 5, 5)  # of another shape
    _, fresh = begun(recipe_for(), tensors)
    assert fresh == ["heads", "norm", "stages.1.0.second.0", "stages.2.0.shortcut"]


def test_new_batch_norms_stay_as_they_are(recipe_for, original):
    model, _ = begun(recipe_for(blocks=[2, 2, 2]), folded(original))
    norm = model.network.stages[1][1].first[1]
    assert torch.equal(norm.weight, torch.ones(6))
    assert torch.equal(norm.running_var, torch.ones(6))


def test_a_run_says_what_is_new_and_resumes_without_the_file(recipe_for, original, tmp_path):
    recipe = recipe_for()
    save_file(folded(original), recipe.train.start)
    notes = []
    train(recipe, tmp_path / "run", threads=1, note=notes.append)
    assert notes == [f"{recipe.train.start} has no heads, norm: started at random"]
    (tmp_path / "trunk.safetensors").unlink()
    train(recipe, tmp_path / "run", threads=1, resume=True, note=notes.append)
    assert len(notes) == 1


# --- files that are no start --------------------------------------------------------------------


def refused(recipe):
    with pytest.raises(InputError) as caught:
        begin_with(build_model(recipe), recipe, [])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_of_another_network(recipe_for, tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(4, 1, 7, 7), "stem.0.weight": torch.zeros(3)}, path)
    expected = f"{path}: none of its 2 tensors fits the network 'dlib-resnet'"
    assert refused(recipe_for(path)) == expected


def test_a_missing_file(recipe_for, tmp_path):
    path = tmp_path / "none.safetensors"
    expected = f"{path}: no such file; [train] start must name a weights file"
    assert refused(recipe_for(path)) == expected


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_file(recipe_for, original, tmp_path, damage):
    path = tmp_path / "damaged.safetensors"
    save_file(trunk_of(original), path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-100], "noise": b"\xff" * 300, "empty": b""}[damage])
    assert refused(recipe_for(path)).startswith(f"{path}: cannot be read as weights: ")
