"""Augmentation: nothing at strength zero, one thing at a time, the same for the same seed."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.images import InputSpec, normalise, to_grey
from mien.training.augment import _compress, _stored, augment, centre_crop, scaled
from mien.training.tables import AugmentTable

SPEC = InputSpec(size=32, colour="grey", mean=(0.5,), std=(0.25,))
RGB = InputSpec(size=32, colour="RGB", mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
NOTHING = AugmentTable(
    rotate_deg=0,
    scale=0,
    shift=0,
    flip=False,
    brightness=0,
    contrast=0,
    low_resolution=0,
    noise=0,
    erase=0,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def chips():
    """Smooth pictures, different left and right, ``(8, 1, 36, 36)``."""
    rng = np.random.default_rng(2)
    coarse = torch.from_numpy(rng.integers(0, 256, (8, 1, 6, 6)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, (36, 36), mode="bicubic").clamp(0, 255)
    return smooth.round().to(torch.uint8)


def changed(chips, seed=0, **strengths):
    """The batch under some strengths, everything else off, in units of the full range."""
    x = augment(chips, SPEC, replace(NOTHING, **strengths), seeded(seed))
    return x * 0.25 + 0.5


def plain(chips):
    return centre_crop(chips, 32).float() / 255


# --- without randomness -----------------------------------------------------------------------


def test_the_centre_is_cut_exactly():
    chips = torch.arange(36 * 36).reshape(1, 1, 36, 36)
    cut = centre_crop(chips, 32)
    assert cut.shape == (1, 1, 32, 32)
    assert cut[0, 0, 0, 0] == 2 * 36 + 2
    assert cut[0, 0, -1, -1] == 33 * 36 + 33


def test_a_chip_without_border_stays():
    chips = torch.arange(16).reshape(1, 1, 4, 4)
    assert (centre_crop(chips, 4) == chips).all()


@pytest.mark.parametrize("spec", [SPEC, RGB], ids=["grey", "RGB"])
def test_scaling_is_what_serving_does(spec):
    chips = np.random.default_rng(0).integers(0, 256, (3, 32, 32, spec.channels), np.uint8)
    planes = torch.from_numpy(np.moveaxis(chips, 3, 1).copy())
    assert scaled(planes, spec).numpy() == pytest.approx(normalise(chips, spec), abs=1e-5)


def test_scaling_by_hand():
    chips = torch.tensor([0, 255, 51]).reshape(1, 1, 1, 3)
    assert scaled(chips, SPEC).flatten().tolist() == pytest.approx([-2.0, 2.0, -1.2])


@pytest.mark.parametrize("spec", [SPEC, RGB], ids=["grey", "RGB"])
def test_at_strength_zero_it_is_the_chip_of_serving(chips, spec):
    pictures = chips.expand(-1, spec.channels, -1, -1)
    found = augment(pictures, spec, NOTHING, seeded())
    assert found.dtype == torch.float32
    assert found.numpy() == pytest.approx(scaled(centre_crop(pictures, 32), spec).numpy(), abs=1e-4)


# --- one thing at a time ----------------------------------------------------------------------


def test_a_flip_only_mirrors(chips):
    chips = chips.repeat(16, 1, 1, 1)
    found = changed(chips, flip=True)
    straight, mirrored = plain(chips), plain(chips).flip(3)
    is_straight = (found - straight).abs().amax((1, 2, 3)) < 1e-4
    is_mirrored = (found - mirrored).abs().amax((1, 2, 3)) < 1e-4
    assert (is_straight ^ is_mirrored).all()
    assert 0.35 < is_mirrored.float().mean() < 0.65


def test_a_shift_moves_everything(chips):
    found = changed(chips, shift=1 / 32)  # one pixel of 32 at most
    moved = (found - plain(chips)).abs().amax((1, 2, 3))
    assert (moved > 1e-3).all()
    # Bilinear values lie between those of the pixels within one pixel's reach.
    wide = torch.nn.functional.pad(chips.float() / 255, (1,) * 4, mode="reflect")
    high = torch.nn.functional.max_pool2d(wide, 3, 1)[..., 2:34, 2:34]
    low = -torch.nn.functional.max_pool2d(-wide, 3, 1)[..., 2:34, 2:34]
    assert ((found <= high + 1e-4) & (found >= low - 1e-4)).all()


def test_a_turn_leaves_the_middle_in_place():
    off = torch.arange(36) - 17.5
    hill = 255 * torch.exp(-(off[:, None] ** 2 + off[None] ** 2) / 72)  # round: no turn shows
    hills = hill.round().to(torch.uint8).expand(16, 1, 36, 36)
    difference = (changed(hills, rotate_deg=30.0) - plain(hills)).abs()
    assert difference.max() < 0.035  # a shift by half a pixel would be 0.05


def test_a_turn_is_never_larger_than_allowed():
    """A dot 14 px right of the middle rises or sinks by at most 14 sin(10 degrees)."""
    chips = torch.zeros(64, 1, 36, 36, dtype=torch.uint8)
    chips[:, :, 17:19, 31:33] = 255
    found = changed(chips, rotate_deg=10.0)
    weight = found.sum((1, 2, 3))
    height = (found.sum(3)[:, 0] * (torch.arange(32) - 15.5)).sum(1) / weight
    limit = 14 * np.sin(np.deg2rad(10))
    assert height.abs().max() < limit + 0.1
    assert height.abs().max() > 0.5 * limit


def test_scale_grows_and_shrinks():
    chips = torch.zeros(64, 1, 36, 36, dtype=torch.uint8)
    chips[:, :, 10:26, 10:26] = 255  # a square of 16 px
    area = changed(chips, scale=0.25).sum((1, 2, 3))
    side = area.sqrt() / 16
    assert 1 / 1.25 - 0.01 < side.min() < 0.84
    assert 1.2 < side.max() < 1.26
    assert 0.3 < (side > 1).float().mean() < 0.7


def test_brightness_adds_the_same_everywhere():
    chips = torch.full((64, 1, 36, 36), 128, dtype=torch.uint8)
    chips[:, :, ::2] = 100
    offset = changed(chips, brightness=0.2) - plain(chips)
    assert offset.std((1, 2, 3)).max() < 1e-5
    offset = offset.mean((1, 2, 3))
    assert (offset.abs() <= 0.2 + 1e-5).all()
    assert offset.min() < -0.1
    assert offset.max() > 0.1


def test_contrast_keeps_the_mean():
    chips = torch.full((64, 1, 36, 36), 140, dtype=torch.uint8)
    chips[:, :, ::2] = 110
    found = changed(chips, contrast=0.5)
    assert found.mean((1, 2, 3)).numpy() == pytest.approx(plain(chips).mean().item(), abs=1e-4)
    ratio = found.std((1, 2, 3)) / plain(chips).std((1, 2, 3))
    assert ratio.min() >= 0.5 - 1e-4
    assert ratio.max() <= 1.5 + 1e-4
    assert ratio.std() > 0.1


def test_low_resolution_smooths_a_part_of_the_batch():
    rng = np.random.default_rng(1)
    size = replace(SPEC, size=112)
    chips = torch.from_numpy(rng.integers(0, 256, (64, 1, 128, 128), np.uint8))
    x = augment(chips, size, replace(NOTHING, low_resolution=0.5), seeded())
    smooth = x.std((1, 2, 3)) < 0.8 * scaled(centre_crop(chips, 112), size).std((1, 2, 3))
    assert 16 < smooth.sum() < 48


def faces(channels, n=32):
    """Smooth pictures of 128 px; colours far from grey."""
    coarse = torch.rand((n, channels, 6, 6), generator=seeded(5)) * 255
    smooth = torch.nn.functional.interpolate(coarse, (128, 128), mode="bicubic").clamp(0, 255)
    return smooth.round().to(torch.uint8)


@pytest.mark.parametrize("spec", [SPEC, RGB], ids=["grey", "colour"])
def test_jpeg_spoils_a_part_of_the_batch_a_little(spec):
    size = replace(spec, size=112)
    chips = faces(len(spec.mean))
    before = augment(chips, size, NOTHING, seeded())
    after = augment(chips, size, replace(NOTHING, jpeg=0.5), seeded())
    error = (after - before).abs().mean((1, 2, 3)) * 0.25 * 255  # about the scale of both
    changed = error > 0
    assert 8 < changed.sum() < 24
    assert (error[changed] > 0.3).all()
    assert error.max() < 12  # the same picture, in the same colours, in the same place
    mean = (after - before).mean((2, 3)).abs() * 0.25 * 255
    assert mean.max() < 6


def test_jpeg_loses_more_at_a_lower_quality_and_a_smaller_size():
    image = faces(1)[0].permute(1, 2, 0).numpy()[:112, :112]

    def error(side, quality):
        return np.abs(_stored(image, side, quality).astype(float) - image).mean()

    assert error(112, 90) < error(112, 30) < error(112, 10)
    assert error(112, 30) < error(40, 30)


def test_without_jpeg_the_batches_are_those_of_older_recipes(chips):
    """Neither is a face changed nor a number drawn, which all that follows would notice."""
    generator = seeded()
    x = chips.float() / 255
    assert _compress(x, NOTHING, generator) is x
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_noise_has_mean_zero_and_a_limit():
    chips = torch.full((64, 1, 36, 36), 128, dtype=torch.uint8)
    added = changed(chips, noise=0.1) - plain(chips)
    assert added.mean().abs() < 0.002
    sigma = added.std((1, 2, 3))
    assert sigma.max() < 0.11
    assert sigma.max() - sigma.min() > 0.05


def test_erasing_blanks_one_rectangle_with_the_mean(chips):
    many = chips.repeat(8, 1, 1, 1)
    found = changed(many, erase=0.5)
    for before, after in zip(plain(many), found, strict=True):
        hole = (after - before).abs()[0] > 1e-3
        if hole.any():
            rows, columns = torch.where(hole)
            patch = after[0, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert patch.std() < 0.02
            assert patch.numel() <= 0.3 * 32 * 32
            assert patch.mean() == pytest.approx(before.mean().item(), abs=0.01)
    touched = ((found - plain(many)).abs().amax((1, 2, 3)) > 1e-3).float().mean()
    assert 0.3 < touched < 0.7


# --- colour ------------------------------------------------------------------------------------


def coloured(n=64):
    rng = np.random.default_rng(4)
    return torch.from_numpy(rng.integers(40, 200, (n, 3, 36, 36)).astype(np.uint8))


def in_colour(chips, seed=0, **strengths):
    x = augment(chips, RGB, replace(NOTHING, **strengths), seeded(seed))
    column = [torch.tensor(values).view(1, 3, 1, 1) for values in (RGB.std, RGB.mean)]
    return x * column[0] + column[1]


def test_a_tint_multiplies_every_colour_by_its_own_factor():
    many = coloured()
    ratio = in_colour(many, tint=0.1) / plain(many)
    gains = ratio.mean((2, 3))
    assert (ratio - gains[..., None, None]).abs().max() < 1e-3
    assert gains.min() >= 0.9 - 1e-4
    assert gains.max() <= 1.1 + 1e-4
    assert (gains.amax(1) - gains.amin(1)).median() > 0.03


def test_grey_faces_are_not_tinted(chips):
    grey = chips.expand(-1, 3, -1, -1)
    assert torch.allclose(in_colour(grey, tint=0.3), plain(grey), atol=1e-5)


def test_some_faces_in_colour_are_seen_in_grey():
    many = coloured(400)
    found = in_colour(many, grey=0.25)
    is_grey = (found.amax(1) - found.amin(1)).amax((1, 2)) < 1e-5
    assert 0.15 < is_grey.float().mean() < 0.35
    wanted = torch.from_numpy(to_grey(many[is_grey].permute(0, 2, 3, 1).numpy())[..., 0])
    assert (found[is_grey][:, 0, ...] * 255 - wanted[:, 2:-2, 2:-2]).abs().max() < 0.6
    assert torch.allclose(found[~is_grey], plain(many)[~is_grey], atol=1e-5)


# --- all together -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_batch(chips):
    first = augment(chips, SPEC, AugmentTable(), seeded(5))
    assert torch.equal(first, augment(chips, SPEC, AugmentTable(), seeded(5)))
    assert not torch.equal(first, augment(chips, SPEC, AugmentTable(), seeded(6)))


def test_only_the_generator_decides(chips):
    torch.manual_seed(1)
    first = augment(chips, SPEC, AugmentTable(), seeded(5))
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, augment(chips, SPEC, AugmentTable(), seeded(5)))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("seed", range(5))
def test_values_stay_in_range(chips, seed):
    found = augment(chips, SPEC, AugmentTable(), seeded(seed)) * 0.25 + 0.5
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6
    assert torch.isfinite(found).all()


def test_the_batch_itself_is_left_alone(chips):
    before = chips.clone()
    augment(chips, SPEC, AugmentTable(), seeded())
    assert torch.equal(chips, before)
