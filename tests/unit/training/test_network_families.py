"""What each classic network is: its published size, its parts, its options."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import nn

from mien.errors import ConfigError
from mien.images import InputSpec
from mien.training.networks import networks
from mien.training.networks.dlib_resnet import Residual as Halving
from mien.training.networks.mobilefacenet import Bottleneck
from mien.training.networks.wide_resnet import PreActivation, SlidingAverage


def spec(size, channels):
    colour = "grey" if channels == 1 else "RGB"
    return InputSpec(size=size, colour=colour, mean=(0.5,) * channels, std=(0.25,) * channels)


def on_paper(family, size, channels, outputs, **options):
    """The network without memory for its weights, and its numbers of them."""
    with torch.device("meta"):
        network = networks[family](spec(size, channels), outputs, options)
    learned = sum(p.numel() for p in network.parameters())
    statistics = sum(b.numel() for b in network.buffers() if b.dtype.is_floating_point)
    return SimpleNamespace(network=network, learned=learned, total=learned + statistics)


# --- sizes --------------------------------------------------------------------------------------


def test_cnn_small_by_hand():
    found = on_paper("cnn-small", 48, 1, {"emotion": 7})
    convolutions = 32 * (9 + 1) + 64 * (32 * 9 + 1) + 128 * (64 * 9 + 1) + 256 * (128 * 9 + 1)
    dense = 512 * (256 * 3 * 3 + 1)  # 48 px halved four times: 3
    assert found.learned == found.total == convolutions + dense + 7 * (512 + 1)


def test_the_dense_layer_follows_the_size_of_the_face():
    small, large = (on_paper("cnn-small", size, 1, {"emotion": 7}) for size in (48, 64))
    assert large.learned - small.learned == 512 * 256 * (16 - 9)


def test_cnn_blocks_by_hand():
    found = on_paper("cnn-blocks", 48, 1, {"emotion": 3}, widths=[8, 16], dense=10)
    blocks = 9 * (8 + 8 * 8 + 8 * 16 + 16 * 16) + 2 * (8 + 8 + 16 + 16)
    assert found.learned == blocks + 10 * (16 * 12 * 12 + 1) + 3 * (10 + 1)


@pytest.mark.parametrize("size", [48, 64])
def test_mini_xception_has_the_published_58_k(size):
    found = on_paper("mini-xception", size, 1, {"emotion": 7})
    assert (found.learned, found.total) == (56_951, 58_423)


def test_wide_resnet_has_the_published_24_5_m():
    found = on_paper("wide-resnet-16-8", 64, 3, {"age": 101, "gender": 2})
    assert found.total == 24_463_856
    # The last map is 16 x 16 at 64 px, and the heads see all of it.
    heads = sum(p.numel() for p in found.network.heads.parameters())
    assert heads == 103 * 512 * 16 * 16


def test_wide_resnet_of_the_paper_has_11_m():
    found = on_paper("wide-resnet-16-8", 32, 3, {"emotion": 10}, pool="global")
    assert 10.9e6 < found.learned < 11.1e6  # table 4 of the paper: 11.0 M


def test_mobilenet_has_the_published_number():
    # Keras' MobileNet without its top counts 3,228,864, statistics included.
    found = on_paper("mobilenet", 112, 3, {"emotion": 8})
    assert found.total == 3_228_864 + 8 * (1024 + 1)


def test_mobilefacenet_has_the_published_0_21_m():
    # The published summary says 212,617; 128 of these are biases of the last depthwise
    # convolution, which the batch norm behind it takes away again, so ours has none.
    found = on_paper("mobilefacenet", 48, 3, {"emotion": 9})
    assert found.total == 212_617 - 128
    assert found.learned == 205_577


def test_the_full_mobilefacenet_has_about_a_million():
    found = on_paper("mobilefacenet", 112, 3, {"emotion": 8}, variant="full")
    assert 0.99e6 < found.learned < 1.02e6
    assert sum(isinstance(m, Bottleneck) for m in found.network.modules()) == 15


def test_resnet50_has_the_published_25_6_m():
    found = on_paper("resnet50", 224, 3, {"class": 1000})
    assert found.learned == 25_557_032


def test_dlib_resnet_by_hand():
    options = {"widths": [4, 6], "blocks": [1, 2]}
    found = on_paper("dlib-resnet", 48, 1, {"gender": 2}, **options)
    stem, norms = 4 * 49 + 2 * 4, 2 * (4 + 4) + 2 * 4 * 6
    convolutions = 9 * (4 * 4 + 4 * 4 + 4 * 6 + 6 * 6 + 6 * 6 + 6 * 6) + 4 * 4 * 6
    features = (4 + 6) * 2 * 2
    assert found.learned == stem + norms + convolutions + 2 * features + 2 * (features + 1)


@pytest.mark.parametrize(
    ("size", "features"),
    [  # a quarter of the width, halved twice and three times, at most 2: 4 x 128 and 4 x 256
        (32, 4 * 128 + 256),
        (48, 4 * 128 + 256),
        (64, 4 * 128 + 4 * 256),
        (96, 4 * 128 + 4 * 256),
        (112, 4 * 128 + 4 * 256),
        (128, 4 * 128 + 4 * 256),
    ],
)
def test_dlib_resnet_takes_faces_of_many_sizes(size, features):
    network = on_paper("dlib-resnet", size, 1, {"gender": 2}).network
    answers = network(torch.zeros(2, 1, size, size, device="meta"))
    assert answers["gender"].shape == (2, 2)
    assert network.norm.num_features == features


def test_age_group_takes_any_number_of_groups():
    four, nine = (on_paper("age-group", 64, 3, {"age": groups}) for groups in (4, 9))
    assert nine.learned - four.learned == 5 * (256 + 1)


# --- width --------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["mobilenet", "mobilefacenet"])
@pytest.mark.parametrize("variant", ["slim", "full"])
def test_alpha_scales_every_layer(family, variant):
    options = {"variant": variant} if family == "mobilefacenet" else {}
    whole = on_paper(family, 48, 1, {"gender": 2}, **options).network
    half = on_paper(family, 48, 1, {"gender": 2}, alpha=0.5, **options).network
    pairs = [
        (a.out_channels, b.out_channels)
        for a, b in zip(whole.modules(), half.modules(), strict=True)
        if isinstance(a, nn.Conv2d)
    ]
    assert len(pairs) > 20
    assert all(a == 2 * b for a, b in pairs)


def test_a_tiny_alpha_leaves_one_channel():
    network = networks["mobilenet"](spec(32, 1), {"gender": 2}, {"alpha": 0.001}).eval()
    assert network(torch.zeros(1, 1, 32, 32))["gender"].shape == (1, 2)


# --- parts --------------------------------------------------------------------------------------


def test_no_dropout_means_no_randomness():
    options = {"widths": [8, 8], "dense": 16, "dropout": 0}
    network = networks["cnn-small"](spec(32, 1), {"gender": 2}, options).train()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    x = torch.randn(4, 1, 32, 32)
    assert torch.equal(network(x)["gender"], network(x)["gender"])
    # Without batch norm and dropout a face does not see the rest of its batch, even in training.
    assert torch.allclose(network(x)["gender"][1], network(x[1:2])["gender"][0], atol=1e-6)


def test_dropout_is_at_work_in_training():
    options = {"widths": [8, 8], "dense": 16}
    network = networks["cnn-small"](spec(32, 1), {"gender": 2}, options).train()
    x = torch.randn(4, 1, 32, 32)
    assert not torch.equal(network(x)["gender"], network(x)["gender"])


def test_batch_norm_on_wish():
    options = {"widths": [8, 8], "dense": 16, "batch_norm": True}
    network = networks["cnn-small"](spec(32, 1), {"gender": 2}, options)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == 2


def test_heads_of_mini_xception_average_their_own_map():
    network = networks["mini-xception"](spec(48, 1), {"age": 101, "gender": 2}, {}).eval()
    x = torch.randn(2, 1, 48, 48)
    with torch.no_grad():
        features = network.trunk(x)
        assert features.shape == (2, 128, 3, 3)
        expected = network.heads["gender"](features).mean((2, 3))
        assert torch.equal(network(x)["gender"], expected)


def test_sliding_average_by_hand():
    # One row: eight wide, three to the left and four to the right, cut at the border.
    x = torch.arange(16.0).view(1, 1, 1, 16).expand(1, 1, 16, 16)
    row = SlidingAverage()(x)[0, 0, 8]
    assert row.shape == (16,)
    assert row[0] == pytest.approx((0 + 1 + 2 + 3 + 4) / 5)
    assert row[3] == pytest.approx(sum(range(8)) / 8)
    assert row[15] == pytest.approx((12 + 13 + 14 + 15) / 4)


def test_a_pre_activation_block_adds_to_what_came_in():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 8, 8)
    active = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())
    block = PreActivation(active, 4, 4).eval()
    nn.init.zeros_(block.main[-1].weight)
    assert torch.equal(block(x), x)  # the shortcut is the input itself, not its activation
    shared = PreActivation(active, 4, 4, shared=True).eval()
    nn.init.zeros_(shared.main[-1].weight)
    assert torch.equal(shared(x), active(x))


@pytest.mark.parametrize("side", [7, 8])
def test_a_halving_block_starts_as_the_original(side):
    """Averages of 2x2 places and empty channels beside convolutions that do not pad."""
    torch.manual_seed(0)
    block = Halving(4, 6).eval()
    x = torch.randn(2, 4, side, side)
    shortcut = nn.functional.avg_pool2d(x, 2)
    assert torch.allclose(block.shortcut(x)[:, :4], shortcut, atol=1e-6)
    assert not block.shortcut(x)[:, 4:].any()
    plain = nn.functional.conv2d(x, block.first[0].weight, stride=2)
    found = block.first[0](nn.functional.pad(x, (0, 1, 0, 1)))
    places = plain.shape[-1]  # at an even side one less than the average has
    assert (places, found.shape[-1]) == (3, side // 2)
    assert torch.allclose(found[..., :places, :places], plain, atol=1e-6)
    nn.init.zeros_(block.second[1].weight)
    assert torch.equal(block(x), torch.relu(block.shortcut(x)))


def test_dlib_resnet_can_enlarge_faces_first():
    options = {"widths": [4, 8], "blocks": [1, 1]}
    torch.manual_seed(0)
    large = networks["dlib-resnet"](spec(40, 1), {"gender": 2}, options).eval()
    small = networks["dlib-resnet"](spec(28, 1), {"gender": 2}, options | {"resize": 40}).eval()
    small.load_state_dict(large.state_dict())
    x = torch.rand(3, 1, 28, 28)
    enlarged = torch.nn.functional.interpolate(x, (40, 40), mode="bilinear")
    with torch.no_grad():
        assert torch.equal(small(x)["gender"], large(enlarged)["gender"])


def test_both_maps_of_dlib_resnet_reach_the_heads():
    torch.manual_seed(0)
    options = {"widths": [4, 6], "blocks": [1, 1]}
    network = networks["dlib-resnet"](spec(28, 1), {"gender": 2}, options).eval()
    maps = []
    for stage in network.stages:
        stage.register_forward_hook(lambda *call: maps.append(call[2]))
    features = []
    network.norm.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    network(torch.randn(2, 1, 28, 28))
    fine, coarse = maps  # 7 places a side: two windows of 4 that share the middle; 3: two of 2
    assert (fine.shape[1:], coarse.shape[1:]) == ((4, 7, 7), (6, 3, 3))
    expected = [
        m[..., rows, columns].mean((2, 3))
        for m, windows in ((fine, (slice(4), slice(3, 7))), (coarse, (slice(2), slice(1, 3))))
        for rows in windows
        for columns in windows
    ]
    found = features[0]
    at_fine, at_coarse = found[:, :16].view(2, 4, 4), found[:, 16:].view(2, 6, 4)
    for place in range(4):
        assert torch.allclose(at_fine[..., place], expected[place], atol=1e-6)
        assert torch.allclose(at_coarse[..., place], expected[4 + place], atol=1e-6)


def test_a_bottleneck_keeps_a_shortcut_only_where_the_shape_stays():
    x = torch.randn(2, 4, 8, 8)
    same, other = Bottleneck(4, 4, 1, 2).eval(), Bottleneck(4, 6, 2, 2).eval()
    assert torch.equal(same(x), x)  # as it starts
    nn.init.ones_(same.main[-1].weight)
    assert torch.equal(same(x), x + same.main(x))
    assert other(x).shape == (2, 6, 4, 4)
    assert torch.equal(other(x), other.main(x))


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("wide-resnet-16-8", {"depth": 12}, "depth must be 10, 16, 22 and so on, got 12"),
        ("wide-resnet-16-8", {"depth": 4}, "depth must be 10, 16, 22 and so on, got 4"),
        ("wide-resnet-16-8", {"pool": "max"}, "pool must be 'window' or 'global', got 'max'"),
        ("mobilefacenet", {"variant": "thin"}, "variant must be 'slim' or 'full', got 'thin'"),
        ("mobilefacenet", {"variant": 3}, "variant must be text, got 3"),
        ("mobilefacenet", {"alpha": 0}, "alpha must be positive, got 0"),
        ("mobilenet", {"alpha": -1.0}, "alpha must be positive, got -1.0"),
        ("cnn-small", {"widths": [8] * 6}, "faces of 48 px cannot be halved 6 times"),
        ("cnn-small", {"batch_norm": "no"}, "batch_norm must be true or false, got 'no'"),
        ("cnn-blocks", {"widths": [8] * 6}, "faces of 48 px cannot be halved 6 times"),
        ("age-group", {"widths": [8, 8]}, "widths must name 3 numbers, got (8, 8)"),
        ("dlib-resnet", {"widths": [8, 16]}, "widths (8, 16) and blocks (3, 4, 3, 2) differ"),
        (
            "dlib-resnet",
            {"widths": [8, 16, 8], "blocks": [1, 1, 1]},
            "widths must name two stages or more, each wider, got (8, 16, 8)",
        ),
        ("dlib-resnet", {"widths": [8], "blocks": [1]}, "two stages or more, each wider, got (8,)"),
        (
            "dlib-resnet",
            {"widths": [4, 5, 6, 7, 8], "blocks": [1] * 5},
            "faces of 48 px are too small for 5 stages",
        ),
        ("dlib-resnet", {"stem": 8}, "[network] has no key 'stem'"),
        ("dlib-resnet", {"grid": 0}, "grid must be a whole number above 0, got 0"),
        ("dlib-resnet", {"resize": -1}, "resize must be a whole number, or 0 for none, got -1"),
        ("dlib-resnet", {"resize": False}, "resize must be a whole number, or 0 for none, got"),
        ("dlib-resnet", {"resize": 0.0}, "resize must be a whole number, or 0 for none, got 0.0"),
        ("resnet50", {"layers": [2, 0]}, "layers must be a list of whole numbers above 0"),
        ("resnet50", {"freeze": 1}, "freeze must be true or false, got 1"),
    ],
    ids=str,
)
def test_wrong_options(family, options, message):
    with pytest.raises(ConfigError) as caught:
        networks[family](spec(48, 1), {"gender": 2}, options)
    assert message in str(caught.value)
