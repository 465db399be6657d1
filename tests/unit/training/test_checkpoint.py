"""Checkpoints: what was written comes back, and a kill never leaves half of one."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from safetensors.torch import save_file

from mien.errors import InputError
from mien.training.checkpoint import load_checkpoint, pick, save_checkpoint

TENSORS = {
    "network/weight": torch.arange(24.0)
    .reshape(2, 3, 2, 2)
    .contiguous(memory_format=torch.channels_last),
    "network/count": torch.tensor(7),
    "average/weight": torch.ones(2),
}
META = {"step": 4, "recipe": {"name": "größe"}, "metrics": {"score": 1.5}}


def test_everything_comes_back(tmp_path):
    save_checkpoint(tmp_path / "run", "last", TENSORS, META)
    tensors, meta = load_checkpoint(tmp_path / "run", "last")
    assert meta == META
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert json.loads((tmp_path / "run" / "last.json").read_text("utf-8")) == META


def test_nothing_else_is_left(tmp_path):
    save_checkpoint(tmp_path, "last", TENSORS, META)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.json", "last.safetensors"]


def test_pick_takes_one_prefix():
    assert set(pick(TENSORS, "network")) == {"weight", "count"}
    assert torch.equal(pick(TENSORS, "average")["weight"], torch.ones(2))
    assert pick(TENSORS, "net") == {}


@pytest.mark.parametrize("kill_at", [1, 2])
def test_a_kill_between_two_files_leaves_one_sound_checkpoint(tmp_path, monkeypatch, kill_at):
    save_checkpoint(tmp_path, "last", TENSORS, META)
    newer = {name: tensor + 1 for name, tensor in TENSORS.items()}
    replace, calls = Path.replace, []

    def killed(self, target):
        calls.append(target)
        if len(calls) == kill_at:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, "last", newer, META | {"step": 8})
    tensors, meta = load_checkpoint(tmp_path, "last")
    expected = TENSORS if meta["step"] == 4 else newer
    assert meta["step"] in (4, 8)
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_checkpoints_of_the_first_version_are_read(tmp_path):
    """They have their notes in the JSON file alone."""
    save_file({"average/weight": torch.ones(2)}, tmp_path / "best.safetensors")
    (tmp_path / "best.json").write_text(json.dumps(META), "utf-8")
    tensors, meta = load_checkpoint(tmp_path, "best")
    assert meta == META
    assert torch.equal(tensors["average/weight"], torch.ones(2))


def damage_missing(folder):
    (folder / "last.safetensors").unlink()


def damage_cut(folder):
    path = folder / "last.safetensors"
    path.write_bytes(path.read_bytes()[:50])


def damage_foreign(folder):
    (folder / "last.safetensors").write_bytes(b"PK\x03\x04" * 50)


@pytest.mark.parametrize("damage", [damage_missing, damage_cut, damage_foreign])
def test_a_damaged_checkpoint_is_one_line(tmp_path, damage):
    save_checkpoint(tmp_path, "last", TENSORS, META)
    damage(tmp_path)
    with pytest.raises(InputError, match="checkpoint 'last' cannot be read") as caught:
        load_checkpoint(tmp_path, "last")
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert "\n" not in str(caught.value)
