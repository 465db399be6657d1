"""What a network in training says about the validation split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from mien.attributes.age import median_age
from mien.config import MAX_AGE
from mien.datasets import GENDERS
from mien.datasets.ferplus_votes import ferplus_target
from mien.evaluation.metrics import accuracy, macro_f1, mean_absolute_error
from mien.training.answers import Model
from mien.training.augment import centre_crop, channels_last, scaled
from mien.training.labels import emotion_target
from mien.training.loader import Part
from mien.training.recipe import Recipe
from mien.training.tables import HeadTable

Metrics = dict[str, tuple[int, float]]


@torch.no_grad()
def predict_logits(
    model: Model, part: Part, recipe: Recipe, device: torch.device, batch: int = 256
) -> dict[str, torch.Tensor]:
    """Logits over the labels of every head for one part, as fp32 on the CPU."""
    spec, fast = recipe.input, recipe.train.precision == "bf16"
    model.eval()
    rows: dict[str, list[torch.Tensor]] = {}
    for start in range(0, len(part.chips), batch):
        chips = centre_crop(part.chips[start : start + batch], spec.size)
        x = channels_last(scaled(chips.to(device), spec))
        with torch.autocast(device.type, torch.bfloat16, enabled=fast):
            columns = model(x)
        for name, logits in model.logits(columns).items():
            rows.setdefault(name, []).append(logits.float().cpu())
    return {name: torch.cat(parts) for name, parts in rows.items()}


def emotion_classes(
    part: Part, labels: Sequence[str]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Class index of every face by the official filter, or by its single label; -1 for none."""
    targets = [emotion_target(record, labels, "majority") for record in part.records]
    return np.array([-1 if t is None else int(np.argmax(t)) for t in targets], np.int64)


def _emotion(part: Part, head: HeadTable, logits: torch.Tensor) -> Metrics:
    labels = emotion_classes(part, head.labels)
    known = labels >= 0
    metrics: Metrics = {}
    if known.any():
        answer = logits.argmax(1).numpy()[known]
        n = int(known.sum())
        metrics["emotion_accuracy"] = n, accuracy(labels[known], answer)
        metrics["emotion_f1"] = n, macro_f1(labels[known], answer, len(head.labels))
    shares = [
        None if r.votes is None else ferplus_target(r.votes, "shares", head.labels)
        for r in part.records
    ]
    rows = [k for k, share in enumerate(shares) if share is not None]
    if rows:
        truth = np.array([shares[k] for k in rows])
        answer = torch.softmax(logits, 1).numpy()[rows]
        metrics["emotion_mae"] = len(rows), mean_absolute_error(truth, answer)
    return metrics


def _gender(part: Part, logits: torch.Tensor) -> Metrics:
    labels = part.labels.gender.numpy()
    known = labels.sum(1) > 0
    if not known.any():
        return {}
    value = accuracy(labels.argmax(1)[known], logits.argmax(1).numpy()[known])
    return {"gender_accuracy": (int(known.sum()), value)}


def _age(part: Part, head: HeadTable, logits: torch.Tensor) -> Metrics:
    years = part.labels.age_years.numpy()
    known = ~np.isnan(years)
    if not known.any():
        return {}
    n = int(known.sum())
    p = torch.softmax(logits, 1).numpy()[known]
    metrics: Metrics = {"age_mae": (n, mean_absolute_error(years[known], median_age(p)))}
    if head.groups:
        mass = np.stack([p[:, g.low : g.high + 1].sum(1) for g in head.age_groups], 1)
        edges = [g.low for g in head.age_groups][1:]
        right = np.digitize(years[known].round(), edges)
        metrics["age_group_accuracy"] = n, accuracy(right, mass.argmax(1))
    return metrics


def validate(
    model: Model, parts: Sequence[Part], recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Metrics over all parts that carry the labels; `score` joins them into one number."""
    logits = [predict_logits(model, part, recipe, device) for part in parts]
    return score(parts, recipe.heads, logits)


def score(
    parts: Sequence[Part],
    heads: Mapping[str, HeadTable],
    logits: Sequence[Mapping[str, torch.Tensor]],
) -> dict[str, float]:
    """Metrics of given answers, every one weighted by its number of faces."""
    found: dict[str, list[tuple[int, float]]] = {}
    for part, answers in zip(parts, logits, strict=True):
        metrics: Metrics = {}
        if "emotion" in heads:
            metrics |= _emotion(part, heads["emotion"], answers["emotion"])
        if "gender" in heads:
            metrics |= _gender(part, answers["gender"])
        if "age" in heads:
            metrics |= _age(part, heads["age"], answers["age"])
        for name, pair in metrics.items():
            found.setdefault(name, []).append(pair)
    result = {
        name: sum(n * v for n, v in pairs) / sum(n for n, _ in pairs)
        for name, pairs in found.items()
    }
    # Twenty years of age error weigh as much as all of the expression accuracy.
    result["score"] = (
        result.get("emotion_accuracy", 0.0)
        + result.get("gender_accuracy", 0.0)
        - result.get("age_mae", 0.0) / 20
    )
    return result


def metric_names(parts: Sequence[Part], heads: Mapping[str, HeadTable]) -> list[str]:
    """Metrics that the validation labels allow, for the recipe key ``select``."""
    columns = {"age": MAX_AGE + 1, "gender": len(GENDERS)}
    zeros = [
        {
            head: torch.zeros(len(part.records), columns.get(head, len(table.labels)))
            for head, table in heads.items()
        }
        for part in parts
    ]
    return list(score(parts, heads, zeros))
