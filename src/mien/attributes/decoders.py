"""One small function per kind of output: probabilities in, answers out, found by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mien.attributes.age import decode_ages
from mien.config import MAX_AGE, AnalyzeConfig
from mien.errors import ConfigError, ModelError, did_you_mean
from mien.models import HeadSpec, Registry
from mien.results import Age, Distribution

Answer = Age | Distribution
Decoder = Callable[[npt.NDArray[np.float64], HeadSpec, AnalyzeConfig], Sequence[Answer]]

decoders: Registry[Decoder] = Registry("output decoder")
"""Decoders by the name that a manifest entry uses."""


def softmax(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Probabilities of every row.

    Args:
        logits: Shape ``(n, k)``.
        temperature: Logits are divided by it first; above 1 makes answers less certain.

    Raises:
        ModelError: A logit is not a finite number: the model file is broken.
    """
    if not np.isfinite(logits).all():
        raise ModelError("the model answered with a number that is not finite")
    z = np.asarray(logits, np.float64) / temperature
    e = np.exp(z - z.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(e / e.sum(axis=1, keepdims=True), np.float64)


@decoders.register("softmax")
def decode_classes(
    probabilities: npt.NDArray[np.float64], head: HeadSpec, config: AnalyzeConfig
) -> list[Distribution]:
    """Classes as they are."""
    del config
    return [Distribution(head.labels, tuple(map(float, row))) for row in probabilities]


@decoders.register("emotion")
def decode_emotions(
    probabilities: npt.NDArray[np.float64], head: HeadSpec, config: AnalyzeConfig
) -> list[Distribution]:
    """Expressions, renormalised to the ones asked for.

    Raises:
        ConfigError: An expression is asked for that the model does not know.
    """
    wanted = head.labels if config.emotions is None else config.emotions
    columns = []
    for label in wanted:
        if label not in head.labels:
            raise ConfigError(
                f"the model knows no expression {label!r}.{did_you_mean(label, head.labels)} "
                f"Known: {', '.join(head.labels)}."
            )
        columns.append(head.labels.index(label))
    # A face that shows none of the wanted ones still gets an answer that sums to one.
    chosen = probabilities[:, columns] + 1e-12
    chosen = chosen / chosen.sum(axis=1, keepdims=True)
    return [Distribution(tuple(wanted), tuple(map(float, row))) for row in chosen]


@decoders.register("age-distribution")
def decode_age(
    probabilities: npt.NDArray[np.float64], head: HeadSpec, config: AnalyzeConfig
) -> list[Age]:
    """Median age, interval and group.

    Raises:
        ModelError: The head has other classes than every age from 0 to 100.
    """
    if len(head.labels) != MAX_AGE + 1:
        raise ModelError(
            f"an age distribution has {MAX_AGE + 1} classes, the model has {len(head.labels)}"
        )
    return decode_ages(probabilities, head.interval, config.age_groups, head.interval_by_age)
