"""What a network in training says about the validation split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from mien.datasets import majority
from mien.evaluation.metrics import accuracy, macro_f1, mean_absolute_error
from mien.images import InputSpec
from mien.training.augment import centre_crop, scaled
from mien.training.loader import Part
from mien.training.objectives import expected_age


@torch.no_grad()
def predict_logits(
    network: nn.Module, part: Part, spec: InputSpec, device: torch.device, batch: int = 256
) -> dict[str, torch.Tensor]:
    """Logits of every head for one part, in fp32 on the CPU."""
    network.eval()
    rows: dict[str, list[torch.Tensor]] = {}
    for start in range(0, len(part.chips), batch):
        chips = centre_crop(part.chips[start : start + batch], spec.size)
        x = scaled(chips.to(device), spec).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            answers = network(x)
        for name, logits in answers.items():
            rows.setdefault(name, []).append(logits.float().cpu())
    return {name: torch.cat(parts) for name, parts in rows.items()}


def validate(
    network: nn.Module, parts: Sequence[Part], spec: InputSpec, device: torch.device
) -> dict[str, float]:
    """Metrics over all parts that carry the labels; `score` joins them into one number."""
    metrics: dict[str, list[tuple[int, float]]] = {}

    def add(name: str, n: int, value: float) -> None:
        metrics.setdefault(name, []).append((n, value))

    for part in parts:
        logits = predict_logits(network, part, spec, device)
        votes = [record.votes for record in part.records]
        kept = [(k, majority(v)) for k, v in enumerate(votes) if v is not None]
        named = [(k, label) for k, label in kept if label is not None]
        if named and "emotion" in logits:
            rows, labels = (np.array(column) for column in zip(*named, strict=True))
            answer = logits["emotion"].argmax(1).numpy()[rows]
            add("emotion_accuracy", len(rows), accuracy(labels, answer))
            add("emotion_f1", len(rows), macro_f1(labels, answer, 8))
        gender = part.labels.gender.numpy()
        known = gender.sum(1) > 0
        if known.any() and "gender" in logits:
            answer = logits["gender"].argmax(1).numpy()
            add(
                "gender_accuracy",
                int(known.sum()),
                accuracy(gender.argmax(1)[known], answer[known]),
            )
        years = part.labels.age_years.numpy()
        known = ~np.isnan(years)
        if known.any() and "age" in logits:
            answer = expected_age(logits["age"]).numpy()
            add("age_mae", int(known.sum()), mean_absolute_error(years[known], answer[known]))
    result = {
        name: sum(n * v for n, v in pairs) / sum(n for n, _ in pairs)
        for name, pairs in metrics.items()
    }
    # Twenty years of age error weigh as much as all of the expression accuracy.
    result["score"] = (
        result.get("emotion_accuracy", 0.0)
        + result.get("gender_accuracy", 0.0)
        - result.get("age_mae", 0.0) / 20
    )
    return result
