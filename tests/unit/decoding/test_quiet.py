"""Switches of the whole process: on while anybody needs them, restored after the last."""

import io
import logging
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mien.decoding.quiet import Switch, pillow_is_quiet
from mien.errors import UnreadableMediaError
from mien.images import decode


class Setting:
    def __init__(self):
        self.value = "off"
        self.changes = 0

    def change(self):
        self.value = "on"
        self.changes += 1
        return self.restore

    def restore(self):
        self.value = "off"


def test_the_first_changes_and_the_last_restores():
    setting = Setting()
    switch = Switch(setting.change)
    with switch:
        with switch:
            assert setting.value == "on"
        assert setting.value == "on"
    assert setting.value == "off"
    assert setting.changes == 1


def test_two_threads_that_leave_in_the_order_they_came():
    # Save-and-restore would end here with what the second thread found: "on".
    setting = Setting()
    switch = Switch(setting.change)
    second_is_in, first_is_out = threading.Event(), threading.Event()

    def second():
        with switch:
            second_is_in.set()
            assert first_is_out.wait(5)
            assert setting.value == "on"

    with ThreadPoolExecutor(1) as pool:
        with switch:
            running = pool.submit(second)
            assert second_is_in.wait(5)
        first_is_out.set()
        running.result(5)
    assert setting.value == "off"


def test_an_error_restores_too():
    setting = Setting()
    with pytest.raises(KeyError), Switch(setting.change):
        raise KeyError
    assert setting.value == "off"


def warn_as(module):
    warnings.warn_explicit("careful", UserWarning, "file.py", 1, module=module)


def test_only_pillow_is_quiet_and_only_inside():
    before = list(warnings.filters)
    handlers = list(logging.getLogger("PIL").handlers)
    with pillow_is_quiet:
        warn_as("PIL.TiffImagePlugin")
        with pytest.warns(UserWarning, match="careful"):
            warn_as("somebody.else")
    assert warnings.filters == before
    assert logging.getLogger("PIL").handlers == handlers
    with pytest.warns(UserWarning, match="careful"):
        warn_as("PIL.TiffImagePlugin")


def test_filters_that_somebody_else_swaps_meanwhile_keep_nothing():
    with warnings.catch_warnings():
        pillow_is_quiet.__enter__()
        with warnings.catch_warnings():  # copies our rule along
            pillow_is_quiet.__exit__(None, None, None)
            with pytest.warns(UserWarning, match="careful"):
                warn_as("PIL.Image")
        with pytest.warns(UserWarning, match="careful"):
            warn_as("PIL.Image")


def test_many_threads_decode_and_leave_no_trace():
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
    files = []
    for kind, options in [("PNG", {}), ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {})]:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        files += [stream.getvalue(), stream.getvalue()[:300]]

    def outcome(data):
        try:
            return decode(data).tobytes()
        except UnreadableMediaError as error:
            return str(error)

    before = list(warnings.filters)
    expected = [outcome(data) for data in files]
    assert {type(value) for value in expected} == {bytes, str}
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(outcome, files * 20)) == expected * 20
    assert warnings.filters == before
