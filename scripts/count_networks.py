"""Count parameters and multiply-adds of every network family, as Markdown table rows.

    python scripts/count_networks.py                       # the classic setting of every family
    python scripts/count_networks.py recipes/mien-m.toml   # what these recipes train

Prints the table in `docs/networks.md`. *Parameters* are the numbers that training changes; *with
statistics* adds the running mean and variance of batch norm, which Keras counts too. *MMACs* are
millions of multiply-adds in convolutions and linear layers for one face. Networks are built
without memory (torch's ``meta`` device), so that this takes a few seconds.

Needs `mien[train]`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mien.images import InputSpec
from mien.training.answers import build_model
from mien.training.networks import networks
from mien.training.networks.options import without_start
from mien.training.recipe import Recipe

HEADER = """\
| family | options | input | columns | parameters | with statistics | MMACs |
| --- | --- | --- | --- | ---: | ---: | ---: |"""

ALL_HEADS = {"age": 101, "gender": 2, "emotion": 8}
AGE_GENDER = {"age": 101, "gender": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one row is about.

    Attributes:
        family: Name in `mien.training.networks`.
        size: Width of the faces in pixels.
        channels: 1 for grey, 3 for RGB.
        heads: Columns by head.
        options: Options that differ from the family's own.
    """

    family: str
    size: int
    channels: int
    heads: Mapping[str, int]
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """The network; its input's normalisation does not matter here."""
        spec = InputSpec(
            size=self.size,
            colour="grey" if self.channels == 1 else "RGB",
            mean=(0.5,) * self.channels,
            std=(0.25,) * self.channels,
        )
        with torch.device("meta"):
            return networks[self.family](spec, self.heads, self.options)


CLASSICS = (
    Setting(family="age-group", size=64, channels=3, heads={"age": 4}),
    Setting(family="cnn-blocks", size=48, channels=1, heads={"emotion": 3}),
    Setting(family="cnn-small", size=48, channels=1, heads={"emotion": 7}),
    Setting(family="dlib-resnet", size=112, channels=1, heads=ALL_HEADS),
    Setting(family="facenet-trunk", size=112, channels=1, heads=ALL_HEADS),
    Setting(family="mini-xception", size=64, channels=1, heads={"emotion": 7}),
    Setting(family="mobilefacenet", size=48, channels=3, heads={"emotion": 9}),
    Setting(
        family="mobilefacenet",
        size=112,
        channels=3,
        heads=ALL_HEADS,
        options={"variant": "full"},
    ),
    Setting(family="mobilenet", size=112, channels=3, heads=ALL_HEADS),
    Setting(family="mobilenet", size=112, channels=3, heads=ALL_HEADS, options={"alpha": 0.5}),
    Setting(family="multihead", size=112, channels=1, heads=ALL_HEADS),
    Setting(family="resnet50", size=112, channels=3, heads={"age": 101}),
    Setting(family="wide-resnet-16-8", size=64, channels=3, heads=AGE_GENDER),
    Setting(
        family="wide-resnet-16-8",
        size=64,
        channels=3,
        heads=AGE_GENDER,
        options={"pool": "global"},
    ),
)
"""Every family as its origin uses it, and its other forms."""


def count(network: nn.Module, channels: int, size: int) -> tuple[int, int, float]:
    """Parameters, parameters with batch-norm statistics, and MMACs of a network on ``meta``."""
    parameters = sum(p.numel() for p in network.parameters())
    statistics = sum(b.numel() for b in network.buffers() if b.dtype.is_floating_point)
    image = torch.zeros(1, channels, size, size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(image)
    # torch counts a multiply-add as two operations.
    return parameters, parameters + statistics, counter.get_total_flops() / 2e6


def row(setting: Setting) -> str:
    """One line of the table."""
    numbers = count(setting.build(), setting.channels, setting.size)
    options = ", ".join(f"`{key} = {_toml(value)}`" for key, value in setting.options.items())
    heads = ", ".join(f"{head} {columns}" for head, columns in setting.heads.items())
    colour = "grey" if setting.channels == 1 else "RGB"
    return (
        f"| `{setting.family}` | {options or '–'} | {setting.size} px {colour} | {heads} "
        f"| {numbers[0]:,} | {numbers[1]:,} | {numbers[2]:,.1f} |"
    )


def of_recipe(path: Path) -> Setting:
    """The network that a recipe trains; a file of weights to start from is not needed."""
    recipe = Recipe.from_toml(path)
    options = without_start(recipe.network)
    with torch.device("meta"):
        network = build_model(replace(recipe, network=options)).network.eval()
        spec = recipe.input
        answers = network(torch.zeros(1, spec.channels, spec.size, spec.size))
    return Setting(
        family=recipe.family,
        size=spec.size,
        channels=spec.channels,
        heads={head: columns.shape[1] for head, columns in answers.items()},
        options=options,
    )


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipes", type=Path, nargs="*", help="count these instead")
    args = parser.parse_args()
    settings = [of_recipe(path) for path in args.recipes] or CLASSICS
    print(HEADER)
    for setting in settings:
        print(row(setting))


if __name__ == "__main__":
    main()
