"""Several processes train the same model as one with a batch as large as all of theirs."""

import json
import math
import os
import socket
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.training import distributed
from mien.training.checkpoint import load_checkpoint, pick
from mien.training.distributed import from_first, masked_mean, mean_over_processes
from mien.training.loader import Mixer, load_parts
from mien.training.loop import train
from mien.training.packed import read_records, write_records
from mien.training.progress import read_log
from mien.training.recipe import Recipe

TOLERANCE = 2e-6
"""Sums in another order differ in the last bits of single precision; weights are below 1."""


# --- means over the labelled faces --------------------------------------------------------------


def test_masked_mean_by_hand():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert masked_mean(values, torch.tensor([True, False, True])) == 3.5
    assert masked_mean(values, torch.tensor([False] * 3)) == 0


def test_what_is_masked_may_be_anything():
    values = torch.tensor([1.0, math.inf, math.nan], requires_grad=True)
    mean = masked_mean(values, torch.tensor([True, False, False]))
    mean.backward()
    assert mean == 1
    assert values.grad.tolist() == [1, 0, 0]


@pytest.mark.parametrize("counts", [(3, 1), (0, 4), (2, 2), (0, 0)])
def test_the_average_over_processes_is_the_mean_over_all_faces(monkeypatch, counts):
    """Each share is scaled by the count of labels in all of them."""
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda count: count.fill_(sum(counts)))
    shares = [torch.tensor([1.0, 2.0, 4.0, 9.0]), torch.tensor([3.0, 5.0, 7.0, 11.0])]
    masks = [torch.arange(4) < count for count in counts]
    means = [masked_mean(v, m).item() for v, m in zip(shares, masks, strict=True)]
    chosen = [v for share, mask in zip(shares, masks, strict=True) for v in share[mask].tolist()]
    assert sum(means) / 2 == pytest.approx(sum(chosen) / max(1, len(chosen)))


def test_one_process_asks_nobody():
    assert from_first(3.5) == 3.5
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(0.5)}
    assert mean_over_processes(terms, torch.device("cpu")) == {"a": 2.0, "b": 0.5}
    assert mean_over_processes({}, torch.device("cpu")) == {}


# --- two processes ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scarce(packed_faces, tmp_path_factory):
    """The faces with ages; every tenth has a gender, so that most shares of a batch have none."""
    folder = tmp_path_factory.mktemp("scarce") / "ages"
    folder.mkdir()
    for name in ("chips.npy", "meta.json"):
        (folder / name).write_bytes((packed_faces / "ages" / name).read_bytes())
    records, found = read_records(packed_faces / "ages" / "records.csv")
    kept = []
    for number, record in enumerate(records):
        values = {name: getattr(record, name) for name in type(record).__dataclass_fields__}
        if number % 10 > 1 and record.split == "train":
            values["gender"] = None
        kept.append(type(record)(**values))
    write_records(folder / "records.csv", kept, found)
    return folder


@pytest.fixture
def table(recipe_table, scarce):
    """No batch norm, no dropout, no augmentation: nothing that a share of a batch decides."""
    recipe_table["network"] = {
        "family": "cnn-small",
        "widths": [4, 8],
        "dense": 16,
        "dropout": 0.0,
        "batch_norm": False,
    }
    recipe_table["data"] = [
        {"path": recipe_table["data"][0]["path"], "per_batch": 4},
        {"path": str(scarce), "per_batch": 4},
    ]
    recipe_table["train"] = {
        "steps": 6,
        "evaluate_every": 3,
        "ema": 0.9,
        "seed": 3,
        "precision": "fp32",
        "learning_rate": 0.05,
    }
    return recipe_table


def doubled(table):
    """What one process needs to make the batches of two."""
    data = [part | {"per_batch": 2 * part["per_batch"]} for part in table["data"]]
    return Recipe.from_mapping(table | {"data": data})


def largest_difference(found, expected):
    for kind in ("network", "average"):
        a, b = (pick(load_checkpoint(folder, "last")[0], kind) for folder in (found, expected))
        assert a.keys() == b.keys()
        yield max((a[name] - b[name]).abs().max().item() for name in a)


def assert_same_model(found, expected):
    assert max(largest_difference(found, expected)) < TOLERANCE
    for row, wanted in zip(read_log(found), read_log(expected), strict=True):
        assert {k: v for k, v in row.items() if k != "images_per_s"} == pytest.approx(
            {k: v for k, v in wanted.items() if k != "images_per_s"}, rel=1e-4, abs=1e-5
        )


def one_share_has_no_label(recipe):
    """Whether in some step one of two processes sees a gender and the other none."""
    parts = load_parts(recipe, "train")
    mixer = Mixer(parts, recipe.train.seed)
    for step in range(recipe.train.steps):
        known = parts[1].labels.gender[mixer.rows(step)[1]].any(1)
        if known[:4].any() != known[4:].any():
            return True
    return False


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def test_torchrun_trains_the_same_model(table, write_recipe, tmp_path):
    recipe, out = write_recipe(tmp_path / "two.toml", table), tmp_path / "two"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "mien", "train", recipe, "--out", out]
    done = subprocess.run(
        [*map(str, command), "--threads", "1"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    assert one_share_has_no_label(doubled(table))
    train(doubled(table), tmp_path / "one", threads=1)
    assert_same_model(out, tmp_path / "one")
    # Only the first of them spoke and wrote.
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["step", "step", "checkpoints:", "curves:"]
    assert len((out / "log.jsonl").read_text("utf-8").splitlines()) == 2
    assert len(list((out / "tensorboard").iterdir())) == 1


# The script is started twice; both go through the same cases, each with a port of its own.
WORKER = """
import json, math, os, sys
from pathlib import Path
from mien.errors import MienError
from mien.training import loop
from mien.training.recipe import Recipe

root, *ports = sys.argv[1:]
for number, (case, port) in enumerate(zip(json.loads(Path(root, "cases.json").read_text()), ports)):
    os.environ["MASTER_PORT"] = port
    loss, calls = loop.multi_task_loss, []

    def poisoned(tasks):
        calls.append(1)
        terms = loss(tasks)
        if case.get("poison") and os.environ["RANK"] == "1" and len(calls) == 5:
            terms = {name: value * math.nan for name, value in terms.items()}
        return terms

    loop.multi_task_loss = poisoned
    try:
        metrics = loop.train(
            Recipe.from_mapping(case["recipe"]),
            Path(root, str(number)),
            threads=1,
            resume=case.get("resume", False),
        )
    except MienError as error:
        metrics = {"error": str(error)}
    loop.multi_task_loss = loss
    Path(root, f"{number}-{os.environ['RANK']}.json").write_text(json.dumps(metrics))
"""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


def run_cases(root, cases):
    """Train every case with two processes, into ``root/0``, ``root/1``, ...; what each returned."""
    root.mkdir()
    (root / "cases.json").write_text(json.dumps(cases), "utf-8")
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    command = [sys.executable, "-c", WORKER, str(root), *free_ports(len(cases))]
    both = [
        subprocess.Popen(
            command,
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), **group),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=180)
        assert process.returncode == 0, errors
    return [
        [json.loads((root / f"{number}-{rank}.json").read_text()) for rank in range(2)]
        for number in range(len(cases))
    ]


def test_two_processes_in_every_way(table, tmp_path):
    """Sharpness-aware Adam on thresholds; a plateau with an early stop; a spoilt share."""
    sharp = table | {
        "heads": {"age": {"objective": "coral"}, "gender": {}, "emotion": {"objective": "focal"}},
        "train": table["train"]
        | {"optimiser": "adamw", "learning_rate": 0.003, "sam": 0.05, "sam_from": 0.0},
    }
    early = table | {
        "train": table["train"]
        | {
            "steps": 30,
            "evaluate_every": 1,
            "learning_rate": 1e-9,  # nothing improves
            "select": "emotion_accuracy",
            "schedule": "plateau",
            "plateau": 1,
            "patience": 3,
        }
    }
    cases = [{"recipe": sharp}, {"recipe": early}, {"recipe": table, "poison": True}]
    answers = run_cases(tmp_path / "two", cases)

    train(doubled(sharp), tmp_path / "sharp", threads=1)
    assert_same_model(tmp_path / "two" / "0", tmp_path / "sharp")
    assert answers[0][0] == read_log_metrics(tmp_path / "two" / "0", answers[0][0])

    train(doubled(early), tmp_path / "early", threads=1)
    assert_same_model(tmp_path / "two" / "1", tmp_path / "early")
    assert [row["step"] for row in read_log(tmp_path / "two" / "1")] == [1, 2, 3, 4]

    # One of them met a number that is none: both stop, and what was written before is sound.
    for answer in answers[2]:
        assert answer["error"].startswith("the loss term 'age/label-distribution' is not a number")
        assert answer["error"].endswith("last.safetensors is the last good checkpoint.")
    tensors, meta = load_checkpoint(tmp_path / "two" / "2", "last")
    assert meta["step"] == 3
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def read_log_metrics(folder, names):
    """Metrics of the last row of a log."""
    return {name: read_log(folder)[-1][name] for name in names}
