"""ResNet-50 from a file: key names of others, prefixes, grey faces, frozen trunks, bad files."""

import pickle

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from safetensors.torch import save_file
from torch import nn

from mien.errors import InputError
from mien.images import InputSpec
from mien.training.networks import networks

TINY = {"layers": [1, 1], "width": 4}


def spec(channels):
    colour = "grey" if channels == 1 else "RGB"
    return InputSpec(size=32, colour=colour, mean=(0.5,) * channels, std=(0.25,) * channels)


def tiny(channels=3, **options):
    return networks["resnet50"](spec(channels), {"gender": 2}, TINY | options)


@pytest.fixture
def weights():
    """A trunk's weights as another library would have saved them, classifier included."""
    torch.manual_seed(5)
    state = {k: torch.randn_like(v.float()).abs() for k, v in tiny().trunk.state_dict().items()}
    state = {k: v.long() if k.endswith("tracked") else v for k, v in state.items()}
    return state | {"fc.weight": torch.zeros(1000, 32), "fc.bias": torch.zeros(1000)}


def assert_loaded(network, weights):
    for key, value in network.trunk.state_dict().items():
        assert torch.equal(value, weights[key]), key


def prefixed(prefix, weights):
    return {prefix + key: value for key, value in weights.items()}


# The key names that torchvision and timm share, written out; 53 convolutions are in a ResNet-50.
def test_key_names_are_those_of_torchvision_and_timm():
    with torch.device("meta"):
        trunk = networks["resnet50"](spec(3), {"gender": 2}, {}).trunk
    shapes = {key: tuple(value.shape) for key, value in trunk.state_dict().items()}
    expected = {"conv1.weight": (64, 3, 7, 7)}
    norms = {"bn1": 64}
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            at = f"layer{stage + 1}.{block}"
            inner = 4 * width if block else (64 if stage == 0 else 2 * width)
            expected[f"{at}.conv1.weight"] = (width, inner, 1, 1)
            expected[f"{at}.conv2.weight"] = (width, width, 3, 3)
            expected[f"{at}.conv3.weight"] = (4 * width, width, 1, 1)
            norms |= {f"{at}.bn1": width, f"{at}.bn2": width, f"{at}.bn3": 4 * width}
            if block == 0:
                expected[f"{at}.downsample.0.weight"] = (4 * width, inner, 1, 1)
                norms[f"{at}.downsample.1"] = 4 * width
    assert len(expected) == 53
    for name, width in norms.items():
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{name}.{part}"] = (width,)
        expected[f"{name}.num_batches_tracked"] = ()
    assert shapes == expected


def test_the_stride_stands_at_the_3x3_convolution():
    with torch.device("meta"):
        trunk = networks["resnet50"](spec(3), {"gender": 2}, {}).trunk
    strides = {n: m.stride[0] for n, m in trunk.named_modules() if isinstance(m, nn.Conv2d)}
    assert {name for name, stride in strides.items() if stride == 2} == {
        "conv1",
        *(f"layer{n}.0.conv2" for n in (2, 3, 4)),
        *(f"layer{n}.0.downsample.0" for n in (2, 3, 4)),
    }


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {"state_dict": w, "epoch": 90},
        lambda w: {"model": w, "optimizer": {"lr": 0.1}},
        lambda w: {"model": {"state_dict": w}},
        lambda w: prefixed("module.", w),
        lambda w: prefixed("backbone.", w) | {"head.weight": torch.zeros(3)},
        lambda w: {"state_dict": prefixed("module.backbone.", w)},
        lambda w: {k: v for k, v in w.items() if not k.startswith("fc.")},
        lambda w: {k: v for k, v in w.items() if not k.endswith("num_batches_tracked")},
        lambda w: {k: v.double() if v.is_floating_point() else v for k, v in w.items()},
    ],
    ids=[
        "plain",
        "state_dict",
        "model",
        "nested twice",
        "module",
        "backbone beside a head",
        "module.backbone",
        "no classifier",
        "old torch",
        "double",
    ],
)
def test_what_others_save_is_understood(tmp_path, weights, wrap):
    path = tmp_path / "trunk.pth"
    torch.save(wrap(weights), path)
    network = tiny(weights=str(path))
    kept = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    state = {k: v for k, v in network.trunk.state_dict().items() if k in kept}
    assert state.keys() == kept.keys() - {"fc.weight", "fc.bias"}
    assert all(torch.equal(value, kept[key]) for key, value in state.items())


def test_safetensors(tmp_path, weights):
    path = tmp_path / "trunk.safetensors"
    save_file(prefixed("backbone.", weights), path)
    assert_loaded(tiny(weights=str(path)), weights)


def test_heads_start_at_random(tmp_path, weights):
    path = tmp_path / "trunk.safetensors"
    save_file(weights, path)
    torch.manual_seed(0)
    one = tiny(weights=str(path)).heads["gender"].weight
    torch.manual_seed(1)
    assert not torch.equal(one, tiny(weights=str(path)).heads["gender"].weight)


def test_grey_faces_answer_as_grey_pictures_do(tmp_path, weights):
    path = tmp_path / "trunk.safetensors"
    save_file(weights, path)
    colour, grey = tiny(3, weights=str(path)).eval(), tiny(1, weights=str(path)).eval()
    assert torch.equal(grey.trunk.conv1.weight, weights["conv1.weight"].sum(1, keepdim=True))
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        expected = colour.trunk(x.expand(-1, 3, -1, -1))
        assert torch.allclose(grey.trunk(x), expected, rtol=1e-4, atol=1e-4)


# --- freezing -----------------------------------------------------------------------------------


def test_a_frozen_trunk_does_not_change(tmp_path, weights):
    path = tmp_path / "trunk.safetensors"
    save_file(weights, path)
    network = tiny(weights=str(path), freeze=True, dropout=0.1).train()
    learning = [name for name, p in network.named_parameters() if p.requires_grad]
    assert learning == ["heads.gender.weight", "heads.gender.bias"]
    assert not any(m.training for m in network.trunk.modules())
    assert network.pool[-1].training
    optimiser = torch.optim.SGD(network.parameters(), 0.1, weight_decay=0.1)
    head = network.heads["gender"].weight.detach().clone()
    network(torch.randn(4, 3, 32, 32))["gender"].square().sum().backward()
    optimiser.step()
    assert_loaded(network, weights)  # neither weights nor running statistics
    assert not torch.equal(network.heads["gender"].weight, head)


def test_freezing_ends_with_evaluation_mode_too():
    network = tiny(freeze=True)
    assert not network.eval().pool[-1].training
    assert network.train().training
    assert not network.trunk.training


def test_an_unfrozen_trunk_learns_its_statistics():
    network = tiny().train()
    before = network.trunk.bn1.running_mean.clone()
    network(torch.randn(4, 3, 32, 32))
    assert not torch.equal(network.trunk.bn1.running_mean, before)
    assert all(p.requires_grad for p in network.parameters())


# --- files that do not fit ----------------------------------------------------------------------


def without(key):
    return lambda w: {k: v for k, v in w.items() if k != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("conv1.weight"), "has no 'conv1.weight', which the network needs"),
        (
            without("layer2.0.bn3.running_var"),
            "has no 'layer2.0.bn3.running_var', which the network needs",
        ),
        (
            lambda w: w | {"layer3.0.conv1.weight": torch.zeros(1)},
            "has 'layer3.0.conv1.weight', which is no part of the network",
        ),
        (
            lambda w: w | {"conv1.weight": torch.zeros(8, 3, 7, 7)},
            "'conv1.weight' has shape (8, 3, 7, 7), the network needs (4, 3, 7, 7)",
        ),
        (
            lambda w: w | {"conv1.weight": torch.zeros(4, 1, 7, 7)},
            "'conv1.weight' has shape (4, 1, 7, 7), the network needs (4, 3, 7, 7)",
        ),
        (lambda w: {"epoch": 3}, "holds no weights"),
        (lambda w: [1, 2], "holds no table of weights, but a list"),
    ],
    ids=["first", "inner", "extra", "width", "channels", "no tensors", "list"],
)
def test_another_network(tmp_path, weights, change, message):
    path = tmp_path / "other.pth"
    torch.save(change(weights), path)
    with pytest.raises(InputError) as caught:
        tiny(weights=str(path))
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("name", ["bad.pth", "bad.safetensors", "bad.pt"])
@pytest.mark.parametrize("content", [b"", b"these are no weights", b"PK\x03\x04broken"])
def test_a_damaged_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as weights") as caught:
        tiny(weights=str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of the file was run')",))


def test_code_in_a_file_is_not_run(tmp_path):
    path = tmp_path / "trap.pth"
    torch.save({"conv1.weight": Trap()}, path)
    with pytest.raises(InputError, match="cannot be read as weights"):
        tiny(weights=str(path))
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="cannot be read as weights"):
        tiny(weights=str(path))


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.pth: no such file; \[network\] weights must name"):
        tiny(weights=str(tmp_path / "none.pth"))


def test_another_kind_of_file(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match=r"weights must be a \.safetensors or \.pth file"):
        tiny(weights=str(path))
