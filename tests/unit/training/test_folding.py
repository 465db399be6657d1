"""Batch norm inside convolutions, and answers that do not depend on the side."""

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import nn

from mien.images import InputSpec
from mien.training.folding import Mirrored, fold_batch_norm
from mien.training.networks import networks

GREY = InputSpec(size=64, colour="grey", mean=(0.5,), std=(0.25,))


@pytest.fixture
def network():
    """The flagship family as if it had been trained."""
    torch.manual_seed(0)
    network = networks["multihead"](GREY, {"age": 101, "gender": 2}, {})
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return network.eval()


def test_one_convolution_by_hand():
    convolution, norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.0)
    nn.init.constant_(convolution.weight, 2.0)
    nn.init.constant_(norm.weight, 3.0)
    nn.init.constant_(norm.bias, 1.0)
    nn.init.constant_(norm.running_mean, 4.0)
    nn.init.constant_(norm.running_var, 9.0)
    # 3 (2 x - 4) / 3 + 1 = 2 x - 3
    folded = fold_batch_norm(nn.Sequential(convolution, norm).eval())
    assert folded[0].weight.item() == pytest.approx(2.0)
    assert folded[0].bias.item() == pytest.approx(-3.0)
    assert isinstance(folded[1], nn.Identity)


def test_folding_changes_no_answer(network):
    folded = fold_batch_norm(network)
    x = torch.randn(4, 1, 64, 64)
    with torch.no_grad():
        before, after = network(x), folded(x)
    for head in before:
        limit = 1e-5 * max(1.0, before[head].abs().max().item())
        assert (before[head] - after[head]).abs().max() < limit
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]


def test_folding_leaves_the_network_alone(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold_batch_norm(network)
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_norm_without_a_convolution_stays():
    network = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)).eval()
    assert isinstance(fold_batch_norm(network)[1], nn.BatchNorm2d)


def test_the_mirror_image_by_hand():
    class Left(nn.Module):
        def forward(self, image):
            return {"left": image[:, 0, :, 0]}

    image = torch.tensor([[[[1.0, 5.0, 3.0]]]])
    assert Mirrored(Left())(image)["left"].tolist() == [[2.0]]  # of 1 and 3


def test_mirrored_answers_do_not_depend_on_the_side(network):
    x = torch.randn(3, 1, 64, 64)
    with torch.no_grad():
        straight, turned = Mirrored(network)(x), Mirrored(network)(x.flip(3))
        plain = network(x)
    for head in plain:
        assert torch.allclose(straight[head], turned[head], atol=1e-5)
        assert (straight[head] - plain[head]).abs().max() > 1e-3
