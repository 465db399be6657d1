"""Scenes in which a tracker can go wrong: name -> what is seen, and for how many seconds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from clip_truth import hidden_shares
from clips import Actor, Bar, Path2D, line, still

SIZE = (640, 360)
"""Width and height that the scenes are made for."""


def crossing(speed: float = 240) -> list[Actor]:
    """Two people in opposite directions; the second one passes in front."""
    seconds = 380 / speed
    return [
        Actor(line((130, 180, 90), (510, 180, 90), seconds), mirror=True),
        Actor(line((510, 190, 100), (130, 190, 100), seconds)),
    ]


def behind_bar(hidden_s: float, speed: float = 150) -> list[Actor | Bar]:
    """The middle of the face is behind the bar for so long; the face itself is 80 px wide."""
    left, right = 340 - speed * hidden_s / 2, 340 + speed * hidden_s / 2
    walker = Actor(line((160, 180, 80), (160 + 2.4 * speed, 180, 80), 2.4))
    return [walker, Bar(lambda _: (left, 0, right, SIZE[1]))]


def shaken(path: Path2D, shift: Callable[[float], tuple[float, float]]) -> Path2D:
    """The same path before a camera that moves."""
    return lambda t: None if path(t) is None else tuple(np.add(path(t), (*shift(t), 0)))


def trembling(seed: int, px: float) -> Callable[[float], tuple[float, float]]:
    """A camera that nobody holds still."""
    shifts = np.random.default_rng(seed).uniform(-px, px, (400, 2))
    return lambda t: shifts[round(60 * t) % 400]


def swinging(t: float) -> tuple[float, float]:
    """A camera that pans to and fro."""
    return 100 * math.sin(4 * t), 12 * math.sin(9 * t)


def shaky_crossing() -> list[Actor]:
    """Two people cross before a camera that shakes."""
    back, front = crossing()
    shake = trembling(1, 6)  # the camera: the same for both
    return [
        Actor(shaken(back.path, shake), mirror=True),
        Actor(shaken(front.path, shake)),
    ]


SCENES: dict[str, tuple[list[Actor | Bar], float]] = {
    "crossing": (crossing(), 1.6),
    "behind a bar for 0.5 s": (behind_bar(0.5), 2.4),
    "behind a bar for 0.9 s": (behind_bar(0.9), 2.4),
    "coming nearer": ([Actor(line((220, 180, 40), (380, 180, 190), 1.1))], 1.1),
    "fast": (
        [Actor(lambda t: (320 + 150 * math.sin(5 * t), 180 + 50 * math.sin(9 * t), 80))],
        1.1,
    ),
    "camera pans": (
        [
            Actor(shaken(still(170, 150, 75), swinging)),
            Actor(shaken(still(440, 200, 90), swinging), mirror=True),
        ],
        1.2,
    ),
    "camera shakes, people cross": (shaky_crossing(), 1.6),
    "blurred": (
        [
            Actor(
                line((180, 180, 90), (420, 180, 90), 1.2),
                blur_px=lambda t: 4.5 if 0.4 < t < 0.6 or 0.8 < t < 0.9 else 0.0,
            )
        ],
        1.2,
    ),
    "four people": (
        [
            Actor(line((90, 100, 70), (550, 110, 70), 2.0)),
            Actor(line((550, 260, 80), (90, 240, 80), 2.0), mirror=True),
            Actor(line((330, 70, 60), (330, 290, 90), 2.0), gain=(0.8, 0.9, 1.0)),
            Actor(line((70, 290, 60), (570, 80, 60), 2.0), mirror=True, gain=(1.0, 0.85, 0.8)),
        ],
        2.0,
    ),
    "bowing to each other": (
        [
            Actor(lambda t: (250 + 60 * math.sin(3 * t), 180, 90)),
            Actor(lambda t: (400 - 60 * math.sin(3 * t), 185, 95), mirror=True),
        ],
        2.0,
    ),
}


def random_scenes(count: int) -> Iterator[tuple[list[Actor | Bar], float]]:
    """Two to four people on random ways, some of them behind a bar; the same ones every time.

    Everybody goes through the picture within 2.5 s, swaying; who is smaller is further away. Left
    out are scenes in which nobody could know who is who: where somebody is hidden in the first
    0.3 s, so that there is no motion to go by, or for longer than 0.9 s.
    """
    scenes = (_random_scene(np.random.default_rng(seed)) for seed in itertools.count())
    return itertools.islice((scene for scene in scenes if _is_fair(*scene)), count)


def _is_fair(scene: list[Actor | Bar], seconds: float) -> bool:
    times = np.arange(0, seconds, 0.1)
    hidden = np.array([hidden_shares(scene, time_s, SIZE) for time_s in times]) > 0.25
    longest = max(
        (
            len(list(run))
            for one in hidden.T
            for is_hidden, run in itertools.groupby(one)
            if is_hidden
        ),
        default=0,
    )
    return not hidden[:4].any() and longest <= 9


def _random_scene(rng: np.random.Generator) -> tuple[list[Actor | Bar], float]:
    widths = np.sort(rng.uniform(50, 110, rng.integers(2, 5)))
    scene: list[Actor | Bar] = []
    for number, width in enumerate(map(float, widths)):
        start, end = rng.uniform((60, 90), (580, 270), (2, 2))
        sway = rng.uniform((0, 0), (40, 15))
        turn = rng.uniform(1, 4)

        def path(t: float, *, a=start, b=end, s=sway, w=width, f=turn) -> tuple[float, ...]:
            x, y = a + (b - a) * t / 2.5 + s * math.sin(f * t)
            return (float(x), float(y), w)

        scene.append(Actor(path, mirror=bool(number % 2)))
    if rng.random() < 0.5:
        left, wide = rng.uniform(150, 400), rng.uniform(40, 120)
        scene.append(Bar(lambda _: (left, 0, left + wide, SIZE[1])))
    return scene, 2.5
