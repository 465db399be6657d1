"""Batches: a pure function of recipe and step, made ahead, mixed with their labels."""

import threading

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.datasets import Record
from mien.training import batches as module
from mien.training.augment import centre_crop, scaled
from mien.training.batches import batches, blend, make_batch
from mien.training.labels import encode_labels
from mien.training.loader import Mixer, load_parts
from mien.training.recipe import Recipe
from mien.training.tables import DataTable, HeadTable

CPU = torch.device("cpu")


@pytest.fixture
def recipe(recipe_table):
    """Eight steps with all kinds of randomness."""
    recipe_table["augment"] = {}
    return Recipe.from_mapping(recipe_table)


@pytest.fixture
def mixer(recipe):
    return Mixer(load_parts(recipe, "train"), 3)


# --- a function of the step ---------------------------------------------------------------------


def test_a_batch_is_a_function_of_the_step(recipe, mixer):
    first, second = (make_batch(mixer, recipe, 5, CPU) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1].emotion, second[1].emotion)
    assert first[0].shape == (32, 1, 32, 32)
    assert first[0].dtype == torch.float32
    another = make_batch(mixer, recipe, 6, CPU)
    assert not torch.equal(first[0], another[0])


def test_other_processes_draw_other_numbers(recipe, mixer, monkeypatch):
    """The same faces, warped in another way."""
    first = make_batch(mixer, recipe, 5, CPU)[0]
    monkeypatch.setattr(module, "rank", lambda: 1)
    assert not torch.equal(first, make_batch(mixer, recipe, 5, CPU)[0])


def test_nothing_else_decides(recipe, mixer):
    torch.manual_seed(1)
    first = make_batch(mixer, recipe, 5, CPU)[0]
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, make_batch(mixer, recipe, 5, CPU)[0])
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_without_augmentation_a_batch_is_what_serving_sees(recipe_table):
    recipe_table["data"][0]["mixup"] = 0.0
    recipe = Recipe.from_mapping(recipe_table)
    parts = load_parts(recipe, "train")
    mixer = Mixer(parts, 3)
    images, labels = make_batch(mixer, recipe, 0, CPU)
    rows = mixer.rows(0)
    chips = torch.cat([part.chips[r] for part, r in zip(parts, rows, strict=True)])
    expected = scaled(centre_crop(chips, 32), recipe.input)
    assert torch.allclose(images, expected, atol=1e-4)
    assert torch.equal(labels.gender[16:], parts[1].labels.gender[rows[1]])
    assert torch.equal(labels.emotion[:16], parts[0].labels.emotion[rows[0]])
    assert labels.age_years[:16].isnan().all()


@pytest.mark.parametrize(("colour", "channels"), [("RGB", 3), ("grey", 1)])
def test_pictures_lie_in_memory_as_convolutions_want_them(colour, channels, recipe_table):
    """So do the maps of a convolution, which takes grey for another layout too easily."""
    table = {"size": 32, "colour": colour, "mean": [0.5] * channels, "std": [0.2] * channels}
    recipe_table["input"] = table
    recipe = Recipe.from_mapping(recipe_table)
    images, _ = make_batch(Mixer(load_parts(recipe, "train"), 3), recipe, 0, CPU)
    assert images.shape == (32, channels, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)
    maps = torch.nn.Conv2d(channels, 16, 3, padding=1)(images)
    assert maps.is_contiguous(memory_format=torch.channels_last)


# --- made ahead ---------------------------------------------------------------------------------


def test_batches_come_in_order_and_end(recipe, mixer):
    expected = [make_batch(mixer, recipe, step, CPU)[0] for step in range(5, 8)]
    found = [images for images, _ in batches(mixer, recipe, 5, CPU)]
    assert [torch.equal(a, b) for a, b in zip(found, expected, strict=True)] == [True] * 3
    assert list(batches(mixer, recipe, 8, CPU)) == []


def test_the_next_batch_is_made_while_the_network_works(recipe, mixer, monkeypatch):
    made = {step: threading.Event() for step in range(8)}

    def watched(mixer, recipe, step, device):
        made[step].set()
        return make_batch(mixer, recipe, step, device)

    monkeypatch.setattr(module, "make_batch", watched)
    stream = batches(mixer, recipe, 0, CPU)
    next(stream)
    assert made[1].wait(5)  # nobody has asked for it yet
    assert not made[2].is_set()  # and not all of them at once: memory
    stream.close()


def test_after_an_early_stop_no_more_are_made(recipe, mixer, monkeypatch):
    steps = []

    def counted(mixer, recipe, step, device):
        steps.append(step)
        return make_batch(mixer, recipe, step, device)

    monkeypatch.setattr(module, "make_batch", counted)
    before = threading.active_count()
    for _ in batches(mixer, recipe, 0, CPU):
        break
    assert max(steps) <= 1
    assert threading.active_count() == before


def test_what_goes_wrong_in_the_thread_is_raised_here(recipe, mixer, monkeypatch):
    def broken(mixer, recipe, step, device):
        if step == 6:
            raise MemoryError("no room")
        return make_batch(mixer, recipe, step, device)

    monkeypatch.setattr(module, "make_batch", broken)
    stream = batches(mixer, recipe, 4, CPU)
    next(stream)
    next(stream)
    with pytest.raises(MemoryError, match="no room"):
        next(stream)


# --- mixup and cutmix ---------------------------------------------------------------------------


def coded(count, size):
    """Face k is white in plane k alone, so a mixture shows its shares; labels say the same."""
    records = [
        Record(name="", split="", votes=tuple(10 * (k == code) for k in range(10)))
        for code in range(count)
    ]
    labels = encode_labels(records, {"emotion": HeadTable()})
    planes = torch.eye(count)[:, :, None, None].expand(-1, -1, size, size)
    return planes.clone(), labels


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def table(**kind):
    return DataTable(path="", per_batch=8, **kind)


def test_without_mixing_nothing_happens():
    pictures, labels = coded(8, 4)
    generator = seeded()
    state = generator.get_state()
    mixed, same = blend(pictures, labels, table(), generator)
    assert mixed is pictures
    assert same is labels
    assert torch.equal(generator.get_state(), state)


def test_mixup_blends_pictures_and_labels_alike():
    pictures, labels = coded(8, 4)
    generator = seeded()
    for _ in range(20):
        mixed, mixed_labels = blend(pictures, labels, table(mixup=0.4), generator)
        assert torch.allclose(mixed[:, :, 0, 0], mixed_labels.emotion)
        assert torch.allclose(mixed_labels.emotion.sum(1), torch.ones(8))
        assert (mixed_labels.emotion.diagonal() >= 0.5 - 1e-6).all()  # the own label leads
        assert ((mixed_labels.emotion > 1e-7).sum(1) <= 2).all()


def test_mixup_draws_from_beta():
    """The larger of s and 1 - s, for s from Beta(1, 1): uniform between a half and one."""
    pictures, labels = coded(8, 1)
    generator, shares = seeded(1), []
    for _ in range(200):
        mixed, mixed_labels = blend(pictures, labels, table(mixup=1.0), generator)
        alone = mixed_labels.emotion.amax(1) > 1 - 1e-6  # the partner was the face itself
        shares.append(mixed[:, :, 0, 0].diagonal()[~alone])
    shares = torch.cat(shares)
    assert shares.mean().item() == pytest.approx(0.75, abs=0.01)
    assert shares.std().item() == pytest.approx(0.5 / 12**0.5, abs=0.01)


def test_cutmix_labels_are_exactly_the_visible_areas():
    pictures, labels = coded(8, 16)
    generator, seen = seeded(), []
    for _ in range(50):
        mixed, mixed_labels = blend(pictures, labels, table(cutmix=1.0), generator)
        assert set(mixed.unique().tolist()) <= {0.0, 1.0}  # cut, not blended
        assert (mixed.sum(1) == 1).all()  # every pixel is of one face
        areas = mixed.mean((2, 3))
        assert torch.allclose(areas, mixed_labels.emotion, atol=1e-6, rtol=0)
        seen += areas.diagonal().tolist()
        for picture, own in zip(mixed, range(8), strict=True):
            hole = picture[own] == 0
            if hole.any():  # one rectangle
                rows, columns = hole.any(1), hole.any(0)
                assert hole.sum() == rows.sum() * columns.sum()
    assert min(seen) < 0.6
    assert max(seen) == 1
    assert len(set(seen)) > 30


def test_gender_is_mixed_with_the_picture():
    pictures, _ = coded(2, 16)
    records = [Record(name="", split="", gender=gender) for gender in ("female", "male")]
    labels = encode_labels(records, {"gender": HeadTable()})
    generator = seeded(3)
    for kind in ("mixup", "cutmix"):
        mixed, mixed_labels = blend(pictures, labels, table(**{kind: 1.0}), generator)
        assert torch.allclose(mixed.mean((2, 3)), mixed_labels.gender, atol=1e-6)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("alpha", [1e-3, 0.2, 50.0])
def test_any_strength_gives_shares(kind, alpha):
    pictures, labels = coded(8, 8)
    for seed in range(20):
        mixed, mixed_labels = blend(pictures, labels, table(**{kind: alpha}), seeded(seed))
        assert torch.isfinite(mixed).all()
        assert torch.allclose(mixed_labels.emotion.sum(1), torch.ones(8))
        assert (mixed_labels.emotion >= 0).all()


def test_a_partner_without_a_label_takes_the_label_away():
    """Half a label would teach a target that sums to less than one."""
    kinds = ({"expression": "anger"}, {"gender": "male"}) * 20
    records = [Record(name="face", split="train", **labels) for labels in kinds]
    heads = {"emotion": HeadTable(), "gender": HeadTable(labels=("female", "male"))}
    labels = encode_labels(records, heads)
    table = DataTable(path="", per_batch=40, mixup=1.0)
    _, mixed = blend(torch.rand(40, 1, 8, 8), labels, table, torch.Generator().manual_seed(0))
    for shares in (mixed.emotion, mixed.gender):
        totals = shares.sum(1)
        assert torch.all((totals < 1e-6) | ((totals - 1).abs() < 1e-6))
        assert 0 < int((totals > 0).sum()) < 40
