"""Labels as people write them in folder names and tables, translated to ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from mien.config import MAX_AGE
from mien.errors import ConfigError, InputError, did_you_mean

OLDEST = 122
"""No human has become older; a higher number is no age."""

NOTHING: Mapping[str, str] = MappingProxyType({})
"""Default of options that map names to names."""

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""How splits are called, in small letters, and ours."""

GENDER_NAMES = {
    "female": "female",
    "woman": "female",
    "women": "female",
    "f": "female",
    "male": "male",
    "man": "male",
    "men": "male",
    "m": "male",
}
"""How genders are called, in small letters, and ours."""

YEARS = re.compile(r"\d{1,3}", re.ASCII)
RANGE = re.compile(r"(\d{1,3})\s*(?:[-–_]\s*(\d{1,3})|\+)", re.ASCII)


def gender_name(text: str, where: str) -> str:
    """Our name of a gender.

    Raises:
        InputError: The text names none; the message starts with `where`.
    """
    try:
        return GENDER_NAMES[text.strip().lower()]
    except KeyError:
        known = ", ".join(GENDER_NAMES)
        raise InputError(f"{where}: expected a gender ({known}), got {text!r}") from None


def age_label(text: str, where: str) -> float | tuple[int, int]:
    """Age in years, as in ``"25"``, or youngest and oldest, as in ``"20-29"`` or ``"60+"``.

    Ranges end at `MAX_AGE`, which means "this old or older"; single ages may lie above it.

    Raises:
        InputError: The text is neither, or no age; the message starts with `where`.
    """
    if YEARS.fullmatch(text.strip()) and int(text) <= OLDEST:
        return float(text)
    match = RANGE.fullmatch(text.strip())
    if match is not None:
        low, high = int(match[1]), int(match[2] or OLDEST)
        if low <= high <= OLDEST:
            return min(low, MAX_AGE), min(high, MAX_AGE)
    raise InputError(
        f"{where}: expected an age like 25, 20-29 or 60+, at most {OLDEST}, got {text!r}"
    )


def person_key(text: str) -> str:
    """Opaque key of a person, from a name or number: tells people apart, names nobody."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class OnePlace:
    """Refuses data in which somebody is in two splits: the test score would be a lie."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, str]] = {}

    def check(self, person: str, split: str, where: str) -> None:
        """Note one image.

        Raises:
            InputError: The person was in another split before.
        """
        known, there = self._seen.setdefault(person, (split, where))
        if known != split:
            raise InputError(
                f"{where}: this person is in the split {split!r} here and in {known!r} in {there}; "
                "move all images of a person to one split, or leave the person out"
            )


def check_choice(option: str, value: str, known: Iterable[str]) -> None:
    """Check an option that takes one of a few words.

    Raises:
        ConfigError: It is none of them.
    """
    known = tuple(known)
    if value not in known:
        raise ConfigError(
            f"{option} must be one of {', '.join(known)}; got {value!r}."
            f"{did_you_mean(value, known)}"
        )
