"""Converters talk about their own insides, in Python and from C++; the user asked for a file."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator

from mien.errors import MienError, ModelError


@contextlib.contextmanager
def quiet_converter(name: str) -> Iterator[None]:
    """Silence everything that runs inside, and turn its failure into one line.

    The standard output and error of the whole process point nowhere meanwhile, because C++
    libraries write to the file descriptors.

    Args:
        name: Of the converter, for the error.

    Raises:
        ModelError: It failed.
    """
    with contextlib.ExitStack() as stack:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            kept = os.dup(number)
            stack.callback(_restore, kept, number)
            os.dup2(nowhere, number)
        # Python's streams may be others than the file descriptors, as in a notebook.
        text = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123
        stack.enter_context(contextlib.redirect_stdout(text))
        stack.enter_context(contextlib.redirect_stderr(text))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        try:
            yield
        except (MienError, OSError):
            raise
        except Exception as error:  # converters have no common base class
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise ModelError(f"{name} cannot convert this network: {reason}") from error


def _restore(kept: int, number: int) -> None:
    os.dup2(kept, number)
    os.close(kept)
