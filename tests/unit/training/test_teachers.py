"""Teachers answer for the very pictures that the student sees, and the student follows them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch.nn import functional as F

from mien.attributes import OnnxAttributeModel
from mien.datasets import Record
from mien.images import InputSpec, to_grey
from mien.training.answers import Answering
from mien.training.augment import scaled
from mien.training.checkpoint import load_checkpoint, save_checkpoint
from mien.training.loader import load_parts
from mien.training.loop import Trainer, train
from mien.training.packed import read_records, write_records
from mien.training.recipe import Recipe
from mien.training.state import load_run
from mien.training.teachers import Teachers, renormalised
from mien.training.validate import predict_logits

CPU = torch.device("cpu")
GREY = InputSpec(size=32, colour="grey", mean=(0.5,), std=(0.25,))
OTHER = InputSpec(size=32, colour="grey", mean=(0.2,), std=(0.4,))


def pupil(table, *runs, temperature=2.0, **heads):
    table["teacher"] = {"runs": [str(run) for run in runs], "temperature": temperature}
    if heads:
        table["heads"] = heads
    return Recipe.from_mapping(table)


# --- what teachers say --------------------------------------------------------------------------


def test_pictures_in_another_scale():
    chips = torch.randint(0, 256, (2, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    found = renormalised(scaled(chips, GREY), GREY, OTHER)
    assert torch.allclose(found, scaled(chips, OTHER), atol=1e-6)
    x = scaled(chips, GREY)
    assert renormalised(x, GREY, GREY) is x


def test_a_teacher_for_grey_sees_the_luma_of_its_students_colours():
    colours = InputSpec(size=32, colour="RGB", mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    chips = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    found = renormalised(scaled(chips, colours), colours, GREY)
    grey = to_grey(chips.permute(0, 2, 3, 1).numpy().astype("uint8"))
    expected = scaled(torch.from_numpy(grey).permute(0, 3, 1, 2), GREY)
    assert torch.allclose(found, expected, atol=0.6 / 255 / 0.25)


def test_a_teacher_for_colours_may_be_shown_grey():
    colours = InputSpec(size=32, colour="RGB", mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    chips = torch.randint(0, 256, (2, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    found = renormalised(scaled(chips, GREY), GREY, colours)
    assert torch.allclose(found, scaled(chips.expand(-1, 3, -1, -1), colours), atol=1e-6)


def test_a_student_in_colour_learns_from_a_teacher_in_grey(recipe_table, tiny_run):
    recipe_table["input"] |= {"colour": "RGB", "mean": [0.5] * 3, "std": [0.25] * 3}
    teachers = Teachers(pupil(recipe_table, tiny_run))
    assert set(teachers(torch.randn(2, 3, 32, 32))) == {"age", "gender", "emotion"}


def test_a_teacher_says_what_the_run_says(recipe_table, tiny_run):
    teachers = Teachers(pupil(recipe_table, tiny_run, temperature=3.0))
    model, _ = load_run(tiny_run)
    x = torch.randn(4, 1, 32, 32)
    said = teachers(x)
    with torch.no_grad():
        logits = Answering(model)(x)
    assert set(said) == {"age", "gender", "emotion"}
    for head, p in said.items():
        assert torch.allclose(p, torch.softmax(logits[head] / 3.0, 1))
        assert not p.requires_grad


def test_an_exported_file_says_what_its_run_says(recipe_table, tiny_run, exported):
    x = torch.randn(4, 1, 32, 32)
    run, file = Teachers(pupil(recipe_table, tiny_run)), Teachers(pupil(recipe_table, exported))
    with torch.autocast("cpu", torch.bfloat16):  # of the student's steps; the file answers in fp32
        said = file(x)
    for head, p in run(x).items():
        assert torch.allclose(said[head], p, atol=1e-4), head
    assert set(said) == {"age", "gender", "emotion"}


def test_a_shipped_model_is_a_teacher_by_its_name(recipe_table):
    """It answers a photo's chip as `mien analyze` does, calibration aside."""
    recipe_table["input"] |= {"size": 112}
    recipe = pupil(recipe_table, "mien-m-int8", temperature=1.0)
    shipped = OnnxAttributeModel("mien-m-int8", threads=1)
    generator = torch.Generator().manual_seed(0)
    chips = torch.randint(0, 256, (3, 1, 112, 112), generator=generator)
    said = Teachers(recipe)(scaled(chips, recipe.input))
    expected = shipped.predict(chips.permute(0, 2, 3, 1).numpy().astype("uint8"))
    for head, p in expected.items():
        warmer = p ** shipped.spec.heads[head].temperature
        warmer /= warmer.sum(1, keepdims=True)
        assert np.allclose(said[head].numpy(), warmer, atol=1e-4), head


def test_one_step_with_an_exported_teacher(recipe_table, exported, tmp_path):
    recipe_table["train"] |= {"steps": 1}
    recipe = pupil(recipe_table, exported, gender={"objective": "distillation"})
    assert "gender_accuracy" in train(recipe, tmp_path)


@pytest.fixture
def elsewhere(tiny_run, tmp_path):
    """A run with the same weights whose recipe names another mean and std."""
    tensors, meta = load_checkpoint(tiny_run, "best")
    meta["recipe"]["input"] |= {"mean": [0.2], "std": [0.4]}
    save_checkpoint(tmp_path / "elsewhere", "best", tensors, meta)
    return tmp_path / "elsewhere"


def test_several_teachers_are_averaged_each_in_its_own_scale(recipe_table, tiny_run, elsewhere):
    both = Teachers(pupil(recipe_table, tiny_run, elsewhere, temperature=1.0))
    model, _ = load_run(tiny_run)
    chips = torch.randint(0, 256, (4, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = Answering(model)(scaled(chips, GREY))["gender"].softmax(1)
        second = Answering(model)(scaled(chips, OTHER))["gender"].softmax(1)
    assert not torch.allclose(first, second, atol=1e-3)
    said = both(scaled(chips, GREY))["gender"]
    assert torch.allclose(said, (first + second) / 2, atol=1e-5)


def test_a_teacher_may_look_at_the_mirror_image_too(recipe_table, tiny_run):
    recipe = pupil(recipe_table, tiny_run, temperature=1.0)
    table = recipe.to_mapping()
    table["teacher"]["mirror"] = True
    x = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    once, twice = Teachers(recipe), Teachers(Recipe.from_mapping(table))
    straight, mirrored = once(x)["emotion"], once(x.flip(3))["emotion"]
    assert not torch.allclose(straight, mirrored, atol=1e-3)
    assert torch.allclose(twice(x)["emotion"], (straight + mirrored) / 2, atol=1e-6)


def test_teachers_stay_as_they_are(recipe_table, tiny_run, tmp_path):
    """Three steps of a student with dropout: the teacher is neither trained nor disturbed."""
    recipe_table["network"]["dropout"] = 0.5
    recipe = pupil(recipe_table, tiny_run, gender={"objective": "distillation"}, emotion={})
    trainer = Trainer(recipe, tmp_path, CPU, resume=False)
    teachers = trainer.teachers
    before = {name: value.clone() for name, value in teachers.state_dict().items()}
    x = torch.randn(4, 1, 32, 32)
    answer = teachers(x)["gender"]
    for step in range(3):
        trainer.update(*batch_of(trainer, step))
        trainer.run.step += 1
    assert all(torch.equal(before[name], value) for name, value in teachers.state_dict().items())
    assert torch.equal(teachers(x)["gender"], answer)
    assert not any(p.requires_grad for p in teachers.parameters())
    assert not any(name.startswith("teachers") for name, _ in trainer.run.model.named_parameters())


def batch_of(trainer, step):
    from mien.training.batches import make_batch
    from mien.training.loader import Mixer

    mixer = Mixer(trainer.parts, trainer.recipe.train.seed)
    return make_batch(mixer, trainer.recipe, step, CPU)


@pytest.mark.parametrize("sam", [0.0, 0.05])
def test_the_teacher_sees_the_students_batch(recipe_table, tiny_run, tmp_path, monkeypatch, sam):
    """Augmented and mixed, bit for bit; and once, though SAM takes two gradients of it."""
    recipe_table["augment"] = {}
    recipe_table["train"] |= {"sam": sam, "sam_from": 0.0}
    recipe = pupil(recipe_table, tiny_run, gender={"objective": "distillation"}, emotion={})
    trainer = Trainer(recipe, tmp_path, CPU, resume=False)
    seen, look = [], trainer.teachers.forward

    def noted(images):
        seen.append(images)
        return look(images)

    monkeypatch.setattr(trainer.teachers, "forward", noted)
    images, labels = batch_of(trainer, 0)
    trainer.update(images, labels)
    assert len(seen) == 1
    assert seen[0] is images


# --- learning from them -------------------------------------------------------------------------


def divergence(model, teacher, recipe, head):
    """Mean KL of a model's answers for the validation faces from the teacher's."""
    total, count = 0.0, 0
    for part in load_parts(recipe, "val"):
        p = predict_logits(teacher, part, recipe, CPU)[head].softmax(1)
        q = predict_logits(model, part, recipe, CPU)[head].log_softmax(1)
        total += F.kl_div(q, p, reduction="sum").item()
        count += len(p)
    return total / count


@pytest.mark.parametrize("head", ["gender", "age"])
def test_a_student_comes_closer_to_its_teacher(recipe_table, tiny_run, tmp_path, head):
    """No label of this head is used: what the student knows it has from its teacher."""
    recipe_table["train"] |= {"steps": 40, "evaluate_every": 40, "precision": "fp32", "seed": 9}
    recipe_table["data"] = recipe_table["data"][1:]
    recipe = pupil(recipe_table, tiny_run, **{head: {"objective": "distillation"}})
    teacher, _ = load_run(tiny_run)
    start = Trainer(recipe, tmp_path / "start", CPU, resume=False).run.model
    metrics = train(recipe, tmp_path / "run", threads=1)
    student, _ = load_run(tmp_path / "run")
    before, after = (divergence(m, teacher, recipe, head) for m in (start, student))
    assert after < 0.1 * before
    assert metrics.get("gender_accuracy", 1) > 0.9
    assert metrics.get("age_mae", 0) < 3


def test_faces_without_labels_are_labelled_by_the_teacher(recipe_table, tiny_run, tmp_path):
    """Nobody said which gender the voted-on faces have; the student agrees with its teacher."""
    recipe_table["train"] |= {"steps": 30, "evaluate_every": 30, "precision": "fp32"}
    recipe_table["data"] = recipe_table["data"][:1]
    heads = {"emotion": {}, "gender": {"objective": "distillation"}}
    recipe = pupil(recipe_table, tiny_run, **heads)
    metrics = train(recipe, tmp_path, threads=1)
    assert "gender_accuracy" not in metrics
    teacher, student = load_run(tiny_run)[0], load_run(tmp_path)[0]
    [part] = load_parts(recipe, "val")
    said, learnt = (predict_logits(m, part, recipe, CPU)["gender"] for m in (teacher, student))
    assert (said.argmax(1) == learnt.argmax(1)).float().mean() > 0.9


def test_faces_without_any_label_are_enough_for_a_teacher(
    recipe_table, tiny_run, packed_faces, tmp_path
):
    """The same faces as above, of which nobody has said anything at all."""
    folder = tmp_path / "unlabelled"
    folder.mkdir()
    for name in ("chips.npy", "meta.json"):
        (folder / name).write_bytes((packed_faces / "faces" / name).read_bytes())
    records, found = read_records(packed_faces / "faces" / "records.csv")
    plain = [Record(name=record.name, split=record.split) for record in records]
    write_records(folder / "records.csv", plain, found)
    recipe_table["data"] = [recipe_table["data"][0] | {"path": str(folder)}]
    heads = {"gender": {"objective": "distillation"}}
    recipe = pupil(recipe_table, tiny_run, **heads)
    assert [len(part.records) for part in load_parts(recipe, "train")] == [64]
    assert train(recipe, tmp_path / "run", threads=1) == {"score": 0.0}


def test_a_distilled_run_can_be_resumed(recipe_table, tiny_run, tmp_path):
    heads = {"age": {"objective": {"distillation": 1, "l1": 1}}, "emotion": {}}
    recipe = pupil(recipe_table, tiny_run, **heads)

    class Killed(BaseException):
        pass

    def stop(row):
        raise Killed

    train(recipe, tmp_path / "straight", threads=1)
    with pytest.raises(Killed):
        train(recipe, tmp_path / "stopped", threads=1, log=stop)
    train(recipe, tmp_path / "stopped", threads=1, resume=True)
    a, b = (load_checkpoint(tmp_path / name, "last")[0] for name in ("straight", "stopped"))
    assert all(torch.equal(a[name], b[name]) for name in a)
