"""The tree of exceptions: what `except` catches, and what the messages tell."""

import inspect
import pickle

import pytest

from mien import errors
from mien.errors import (
    ChecksumError,
    ConfigError,
    DeviceError,
    InputError,
    MienError,
    MissingExtraError,
    ModelError,
    OutputError,
    UnknownModelError,
    UnreadableMediaError,
    did_you_mean,
)

PUBLIC = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_one_except_catches_every_error(kind):
    assert issubclass(kind, MienError)


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_names_every_error(kind):
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (InputError, (ValueError,)),
        (UnreadableMediaError, (InputError, ValueError)),
        (ConfigError, (InputError, ValueError)),
        (MissingExtraError, (ImportError,)),
        (OutputError, (OSError,)),
        (UnknownModelError, (ModelError, LookupError)),
        (ChecksumError, (ModelError,)),
        (DeviceError, (ModelError,)),
    ],
)
def test_errors_are_also_what_python_calls_them(kind, parents):
    assert [parent for parent in parents if not issubclass(kind, parent)] == []


def test_usage_errors_and_broken_models_are_different_things():
    assert not issubclass(ModelError, InputError)
    assert not issubclass(ConfigError, ModelError)


def test_a_missing_extra_says_what_to_install():
    error = MissingExtraError("the hog detector", "dlib")
    assert str(error) == (
        "the hog detector needs a library that is not installed. Run: pip install 'mien[dlib]'"
    )
    assert error.extra == "dlib"


def test_an_unknown_name_gets_a_hint_and_the_list():
    error = UnknownModelError("detector", "yunett", ["yunet", "haar"])
    assert str(error) == (
        "no detector is called 'yunett'. Did you mean 'yunet'? Known: haar, yunet."
    )
    assert (error.kind, error.name) == ("detector", "yunett")


def test_an_unknown_name_without_a_neighbour_gets_the_list_only():
    assert str(UnknownModelError("model", "zzz", {"yunet": 1})) == (
        "no model is called 'zzz'. Known: yunet."
    )


def test_an_empty_registry_is_said_to_be_empty():
    assert str(UnknownModelError("model", "a", [])).endswith("Known: none.")


@pytest.mark.parametrize(
    "error",
    [
        InputError("a"),
        OutputError("b"),
        MissingExtraError("the hog detector", "dlib"),
        UnknownModelError("detector", "yunett", ["yunet", "haar"]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("treads", " Did you mean 'threads'?"),
        ("detectr", " Did you mean 'detector'?"),
        ("threads", " Did you mean 'threads'?"),
        ("banana", ""),
        ("", ""),
    ],
)
def test_did_you_mean(name, hint):
    assert did_you_mean(name, iter(["detector", "threads"])) == hint
