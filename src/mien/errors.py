"""Every exception that mien raises on purpose.

MienError
├── InputError                the caller gave us something we cannot use
│   ├── UnreadableMediaError      a file, stream or camera cannot be decoded
│   └── ConfigError               a setting is unknown or out of range
├── MissingExtraError         an optional library is not installed
├── OutputError               a result cannot be written
└── ModelError                a model cannot be found, checked or run
    ├── UnknownModelError         no registered thing has this name
    ├── ChecksumError             a model file is not the file the manifest names
    └── DeviceError               the asked-for device is not there
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class MienError(Exception):
    """Base class: ``except MienError`` catches every failure we foresee."""


class InputError(MienError, ValueError):
    """The caller gave us something we cannot use."""


class UnreadableMediaError(InputError):
    """A file, stream or camera exists but cannot be decoded."""


class ConfigError(InputError):
    """A setting is unknown or out of range."""


class MissingExtraError(MienError, ImportError):
    """An optional library is not installed.

    Args:
        what: The feature, as the start of a sentence, e.g. ``"the hog detector"``.
        extra: Name of the extra that brings the library, e.g. ``"dlib"``.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs a library that is not installed. Run: pip install 'mien[{extra}]'"
        )
        self.what = what
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle would call the class with the message alone, and a worker process would hang.
        return type(self), (self.what, self.extra)


class OutputError(MienError, OSError):
    """A result cannot be written."""


class ModelError(MienError):
    """A model cannot be found, checked or run."""


class ChecksumError(ModelError):
    """A model file on disk is not the file its specification names."""


class DeviceError(ModelError):
    """The asked-for device is not available."""


class UnknownModelError(ModelError, LookupError):
    """No registered thing has this name.

    Args:
        kind: What was looked up, e.g. ``"detector"``.
        name: The unknown name.
        known: All names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f"no {kind} is called {name!r}.{did_you_mean(name, names)} "
            f"Known: {', '.join(names) or 'none'}."
        )
        self.kind = kind
        self.name = name
        self.known = tuple(names)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, self.name, self.known)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` when a known name is close, else an empty string."""
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
