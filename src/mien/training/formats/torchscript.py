"""TorchScript: one file that libtorch runs without Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from mien.training.formats import formats
from mien.training.formats.base import ENTRY_FILE, Format, Runner, Source, entry_text, torch_runner


@formats.register("torchscript")
class TorchScript(Format):
    """A traced module that answers with a dictionary; the manifest entry is an extra file in it."""

    suffixes = (".pt", ".ts")

    def write(self, source: Source, out: Path) -> list[str]:
        """Trace and save; see `Format.write`."""
        example = torch.zeros(2, *source.image_shape)
        with _deprecated(), torch.no_grad():
            # Not strict: that is what a module which returns a dictionary needs.
            trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
            traced = trace(source.network, (example,), strict=False, check_trace=False)
            torch.jit.save(traced, out, _extra_files={ENTRY_FILE: entry_text(source.spec)})
        return []

    def open(self, path: Path, heads: Sequence[str], *, threads: int = 0) -> Runner:
        """Load the module back."""
        del heads, threads  # the answers carry their names; threads are a setting of torch
        with _deprecated():
            load: Callable[..., nn.Module] = torch.jit.load
            module = load(path, map_location="cpu")
        return torch_runner(module)


@contextmanager
def _deprecated() -> Iterator[None]:
    """TorchScript is deprecated as a whole; whoever asks for the format wants it all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield
