"""What is said inside is not heard; what goes wrong inside is."""

import logging
import os
import sys
import warnings

import pytest

from mien.errors import InputError, ModelError

pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.training.formats.quiet import quiet_converter


def test_nothing_is_heard_from_inside(capfd):
    print("before", flush=True)
    with quiet_converter("x"):
        print("inside")
        print("inside", file=sys.stderr)
        os.write(1, b"inside")
        os.write(2, b"inside")
        warnings.warn("inside", DeprecationWarning, stacklevel=1)
        logging.getLogger("x").error("inside")
    print("after", file=sys.stderr, flush=True)
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("before\nafter\n", "after\n")


def test_warnings_are_heard_again_afterwards():
    with quiet_converter("x"):
        pass
    with pytest.raises(DeprecationWarning):
        warnings.warn("after", DeprecationWarning, stacklevel=1)


def test_a_failure_becomes_one_line(capfd):
    with pytest.raises(ModelError) as caught, quiet_converter("the converter"):
        raise RuntimeError("no\n  such   operator")
    assert str(caught.value) == "the converter cannot convert this network: no such operator"
    assert isinstance(caught.value.__cause__, RuntimeError)
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_a_failure_without_words_has_its_name():
    with pytest.raises(ModelError, match="ZeroDivisionError"), quiet_converter("x"):
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [InputError("ours"), OSError(28, "disk full")])
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as caught, quiet_converter("x"):
        raise error
    assert caught.value is error
